"""Networks whose features are compared: VGG16 and deepbet."""
