"""The choice: which texts of a pool experts should label, and what their answers show.

pool -> embed -> label -> choose -> order -> push
                                              experts, in Label Studio
status <- stop <- align <- collect

choose: stratify and budget in round 0, then boundary -> pair -> budget -> split; audit always.
"""
