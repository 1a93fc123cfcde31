"""The ways a gang is told: one module each, all with the same two questions.

membership   which gang a pod belongs to, and as what; from the pod alone
shape        how many of what the gang needs; from its object, or from what its pods say
"""
