"""A channel with its submitters: which one serves a number, and how each is made."""

from random import Random
from typing import Any

from twisted.application.service import Service
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels import ListenerOf
from smsconnector.sections import ChannelSection, RetrySection
from smsconnector.walks.outlet import Outlet, make_outlet
from smsconnector.walks.retry_policy import RetryPolicy
from tests.unit.fakes import FakeChannel


class StandIn(Service):
    """A submitter that keeps what it is made with."""

    def __init__(self, route: Any, queue: str, policy: RetryPolicy) -> None:
        self.route, self.queue, self.policy = route, queue, policy
        self.ended: list[int] = []

    def messages_ended(self, message_ids: Any) -> None:
        self.ended += message_ids


class OutletCase(SynchronousTestCase):
    def make(self, *prefixes: str, **settings: Any) -> Outlet:
        """An outlet whose channel has a route for each prefix."""
        self.routes = {prefix: FakeChannel() for prefix in prefixes}

        def make_channel(listener_of: ListenerOf) -> FakeChannel:
            for prefix, route in self.routes.items():
                route.listener = listener_of(prefix, route)
            return FakeChannel()

        section = ChannelSection(type="fake", lifetime=60.0, **settings)
        make_submitter: Any = StandIn
        return make_outlet("fake", section, make_channel, make_submitter, Random(1))

    def test_route_of_a_number(self) -> None:
        """The longest prefix counts; without one it is the route for all others, if there is one."""
        outlet = self.make("46", "4670", "")
        for number, queue in (("4670123456", "fake/4670"), ("4680123456", "fake/46"), ("923001234567", "fake")):
            submitter: Any = outlet.submitter(number)
            self.assertEqual(submitter.queue, queue)
        self.assertIsNone(self.make("46").submitter("923001234567"))

    def test_each_route_has_its_submitter(self) -> None:
        """A submitter sends through the route that it listens to, by the policy of the section."""
        retry = RetrySection(attempts=3, initial=1.0, maximum=9.0)
        outlet = self.make("46", "", retry=retry, unknown_outcome="hold", strict_order=True)
        for prefix, route in self.routes.items():
            submitter: Any = outlet.submitters[prefix]
            self.assertIs(submitter.route, route)
            self.assertIs(route.listener, submitter)
            policy = submitter.policy
            self.assertEqual((policy.attempts, policy.initial, policy.maximum), (3, 1.0, 9.0))
            self.assertEqual((policy.resend, policy.strict_order), (False, True))
        self.assertEqual(outlet.lifetime, 60.0)

    def test_together(self) -> None:
        """All submitters start, stop and hear of ended messages together; one that never started is not stopped."""
        outlet = self.make("46", "")
        outlet.stop_submitters()
        outlet.start_submitters()
        submitters: list[Any] = list(outlet.submitters.values())
        self.assertTrue(all(one.running for one in submitters))
        outlet.messages_ended([7])
        self.assertEqual([one.ended for one in submitters], [[7], [7]])
        outlet.stop_submitters()
        self.assertFalse(any(one.running for one in submitters))
