"""The documents of the API against a running Pulso: what they say is so."""
