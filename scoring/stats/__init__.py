"""Statistics that survive the way they are used: numbers in, frozen results out, no I/O."""
