"""Compares what should be with what is, so that lost events, dead workers and hosts that forget
converge without a person: installations, repositories, and servers."""
