"""Pretrained networks by whose features images are compared: VGG16 and deepbet."""
