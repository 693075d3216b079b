"""What Pulso is made of besides its own code: the locks, held to rules (`make audit`) and listed (`make sbom`)."""
