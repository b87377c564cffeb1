from selection.policy import policy_hash


def test_a_policy_is_named_by_its_words_and_its_labels_in_their_order() -> None:
    name = policy_hash("Is it good?", ("yes", "no"))
    assert name == policy_hash(" Is it good?\n", ["yes", "no"])
    assert (len(name), int(name, 16) > 0) == (8, True)
    others = {
        policy_hash("Is it bad?", ("yes", "no")), policy_hash("Is it good?", ("no", "yes")),
        policy_hash("Is it good?", ("yes", "no", "maybe")), policy_hash("Is it good?", ("yesno",)),
    }  # fmt: skip
    assert len(others - {name}) == 4
