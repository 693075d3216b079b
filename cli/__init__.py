"""The `pulso` command: run everything on one machine, check settings, look after users."""
