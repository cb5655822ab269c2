"""Where servers run: one module a host, all behind the `Host` protocol of `base`."""
