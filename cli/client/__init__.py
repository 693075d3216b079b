"""`pulso client`: prints what a server tells, and the Fibonacci numbers that it is asked for."""
