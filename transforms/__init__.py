"""The stages of Onrecord: plain functions that do the work, and the Beam transforms around them.

Importing this package imports no Beam; the transforms stand in each stage's ``transform`` module.
"""
