"""What people do who mean harm, sent to a whole running Pulso from outside: it answers, and nobody else pays.

`make abuse` runs the long forms, too, and ends in a table of all cases.
"""
