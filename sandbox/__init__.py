"""Stand-ins for the outside world and the demo. Nothing imports this but tests and the demo."""
