"""A run that was stopped goes on, and another version of the engine measures anew."""

from bench.objects.records import Records


def test_what_was_measured_is_not_measured_again(tmp_path):
    path, calls = tmp_path / "out" / "records.jsonl", []

    def measure():
        calls.append(1)
        return {"IoU": 0.5, "kind": "box"}

    assert Records(path, "7").get("mug", measure) == {"IoU": 0.5, "kind": "box"}
    again = Records(path, "7")
    assert again.get("mug", measure) == {"IoU": 0.5, "kind": "box"} and len(calls) == 1
    again.get("cup", measure)
    Records(path, "8").get("mug", measure)
    assert len(calls) == 3
