"""Programs that Pulso is measured against."""
