"""What people and tools may read about deliveries, runs and servers: listings, never a change.

The tables belong to the modules that write them; here are only the reads that the pages need.
Whoever does not say `private=True` is not told of anything that belongs to a private repository.
"""
