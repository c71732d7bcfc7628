"""Building blocks of neural networks that several families share: layers, losses, warping, pix2pixHD, ONNX."""
