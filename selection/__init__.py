"""The choice: which texts of a pool experts should label, and what their answers show.

pool -> embed -> label -> choose -> order -> push
                                              experts, in Label Studio
status <- stop <- align <- collect

choose: start until verdicts have taught a model, then boundary -> pair -> budget; audit always.
"""
