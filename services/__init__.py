"""The services of Pulso. They know each other only through their `contract` modules."""
