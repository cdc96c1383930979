"""Networks, and their weights on disk. They need only torch and safetensors."""
