"""The choice: which examples of a pool experts should label, and what their answers show.

pool -> label -> embed -> boundary -> pair -> budget (+ audit) -> push
                                                  experts, in Label Studio
status <- stop <- align <- split <- collect
"""
