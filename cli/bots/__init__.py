"""`pulso bots`: thousands of number clients that check that nothing acknowledged to them is forgotten."""
