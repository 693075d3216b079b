"""The kit: all that a Pulso service needs, without a word of any domain."""
