"""The queue carries one message per job, and a worker can take one along."""

from storage.broker import make_app, publish, take_message


def test_a_message_is_taken_once_and_from_its_queue() -> None:
    app = make_app("memory://")
    for number in range(2):
        publish(app, f"job-{number}", "sam3", 60)
    assert not take_message(app, "default")
    assert [take_message(app, "sam3") for _ in range(3)] == [True, True, False]
