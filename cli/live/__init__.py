"""What programs that take part in a running Pulso stand on: a connection, an account, a number that runs."""
