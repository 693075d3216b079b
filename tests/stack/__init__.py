"""The compose stack on a real container engine: `make stack-test`."""
