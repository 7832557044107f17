"""Stateless, differentiable operations on images, and the policies that apply them.

May import: fields, errors.
"""
