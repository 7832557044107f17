"""The notebook for Colab and Jupyter, and what its cells use: forms, and scripts in own processes.

TensorFlow is not imported, so that the kernel takes no memory of the GPU.

May import: training.options, data, errors.
"""
