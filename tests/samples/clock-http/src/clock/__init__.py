"""A server of a few lines, as the SDK's own examples have them."""
