"""Pure: values and a time in, values and a reason out."""
