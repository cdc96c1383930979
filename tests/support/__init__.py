"""What tests share: small recipes, models and datasets, servers, and ways to cause failures."""
