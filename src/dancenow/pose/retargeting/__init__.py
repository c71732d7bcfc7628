"""From the source body to the target body: pose maps, fitted to two tracks."""
