"""What the product does; one transaction a change."""
