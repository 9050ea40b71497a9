"""One call on its way to a server and back, whichever era each side speaks."""

import time
from typing import Any

import msgspec

from nexus.hub import replies, states
from nexus.hub.asked import Asked, can_be_asked
from nexus.hub.authority import AuthorityCache
from nexus.hub.context import Changed, Context
from nexus.hub.replies import Reply
from nexus.hub.states import ForgedState
from nexus.hub.upstreams import Upstreams, since
from profiles.models import Server
from profiles.upstream import wire
from profiles.upstream.answers import Answer
from profiles.upstream.asking import CALL_TIMEOUT, Ask
from profiles.upstream.discovery import sentence
from profiles.upstream.errors import CredentialRefused, NotConnected, UpstreamError
from profiles.upstream.wire import Members

ROUNDS = 10  # times that a modern server may ask for more input in one call
NEEDS_INPUT = b'"input_required"'
# HTTP statuses of errors in the modern era (2026-07-28, basic/transports); all others come with 200.
STATUS_OF = {-32601: 404, -32020: 400, -32021: 400, -32022: 400}


class InputRequired(msgspec.Struct):
    resultType: str = ""
    inputRequests: dict[str, wire.Message] = {}
    requestState: msgspec.Raw = wire.ABSENT


class Peek(msgspec.Struct):
    """The members of a result that the hub looks at."""

    isError: bool = False
    resultType: str | None = None


class NoInput(Exception):
    """What a modern server needs to know in the middle of a call cannot be asked of this client."""


_peek = msgspec.json.Decoder(Peek)
_input_required = msgspec.json.Decoder(InputRequired)


class Forwarding:
    def __init__(self, cache: AuthorityCache, upstreams: Upstreams, asked: Asked) -> None:
        self._cache = cache
        self._upstreams = upstreams
        self._asked = asked

    def look(self, context: Context) -> None:
        """Raise Changed if what was decided no longer holds; the last look, before the first byte goes upstream, is
        where a call begins."""
        self._cache.current()
        authority = context.authority
        if not authority.is_current or not context.view.is_current or authority.refusal(time.time()):
            raise Changed

    async def ask(
        self, context: Context, server: Server, params: Members, *, name: str = "", mirrored: bytes = b"",
        timeout: float = CALL_TIMEOUT,
    ) -> Answer:  # fmt: skip
        """Ask the server what the client asked; raise UpstreamError, NoInput or ForgedState."""
        context.server = server.slug
        if context.call.is_modern:
            params = states.opened(context, server, params)
        if not (context.view.is_current and context.authority.is_current):
            raise Changed  # of a server that was changed, the way it is now
        state = self._upstreams.state(server)
        state.refuse_while_down()
        if server.wants_sign_in or not state.leg.is_modern:
            self.look(context)  # something else may have to be sent before the call
        ask = Ask(
            context.call.method, params, id=context.call.id, name=name, principal=context.principal,
            envelope=context.envelope, mirrored=mirrored or context.mirrored, timeout=timeout,
            last_look=lambda: self.look(context), on_message=self._asked.passes_on(context, server),
        )  # fmt: skip
        begun = time.perf_counter()
        try:
            answer = await self._upstreams.ask(context, server, ask)
            if NEEDS_INPUT in answer.result:
                answer = await self._needing_input(context, server, ask, answer)
        except (NotConnected, CredentialRefused):
            raise  # about this person, not about the server
        except UpstreamError as error:
            state.fail(sentence(server, error), error)
            raise
        finally:
            context.upstream_ms += (time.perf_counter() - begun) * 1000
        if state.failure:
            state.recover()
        return answer

    async def _needing_input(self, context: Context, server: Server, ask: Ask, answer: Answer) -> Answer:
        """Let a modern client see to what the server needs; ask an older one."""
        if context.call.is_modern:
            return msgspec.structs.replace(answer, result=states.sealed(context, server, answer.result))
        return await self._with_input(context, server, ask, answer)

    async def _with_input(self, context: Context, server: Server, ask: Ask, answer: Answer) -> Answer:
        """Ask an older client for what a modern server needs, until its answer is complete."""
        params = ask.params
        for _ in range(ROUNDS):
            try:
                wanted = _input_required.decode(answer.result)
            except msgspec.DecodeError:
                return answer
            if wanted.resultType != "input_required":
                return answer
            ask.params = params | await self._input(context, wanted)
            try:
                self.look(context)
                answer = await self._upstreams.ask(context, server, ask)
            except Changed:
                raise NoInput("What this token may do changed in the middle of the call. Call again.") from None
        raise UpstreamError(f"it asked the client for input {ROUNDS} times in one call")

    async def _input(self, context: Context, wanted: InputRequired) -> Members:
        if wanted.inputRequests and not can_be_asked(context):
            kinds = ", ".join(sorted({request.method or "" for request in wanted.inputRequests.values()}))
            raise NoInput(f"This needs an answer in the middle of the call ({kinds}), which this client cannot give.")
        given: dict[str, msgspec.Raw] = {}
        for key, request in wanted.inputRequests.items():
            answered = await self._asked.ask(context, request.method or "", bytes(request.params))
            if not answered.result:
                raise NoInput("The client did not give the answer that this needs in the middle of the call.")
            given[key] = msgspec.Raw(answered.result)
        more = {"inputResponses": msgspec.Raw(wire.encode(given))} if given else {}
        return more | ({"requestState": wanted.requestState} if wanted.requestState else {})

    async def pass_on(self, context: Context, server: Server, params: Members, **options: Any) -> Reply:
        """Ask, and answer with what the server answered, or with an error that names it."""
        try:
            return reply_of(context, await self.ask(context, server, params, **options))
        except ForgedState:
            return forged(context)
        except (UpstreamError, NoInput, TimeoutError) as problem:
            reply = context.call.error(replies.INTERNAL, self.say(context, server, problem), topic=topic_of(problem))
            reply.outcome, reply.reason = "upstream_error", str(problem)
            return reply

    def say(self, context: Context, server: Server, problem: Exception) -> str:
        """Return what went wrong, as a sentence that says which server and since when."""
        if isinstance(problem, NoInput):
            return str(problem)
        if isinstance(problem, TimeoutError):
            return "The client did not answer in time what the server asked."
        assert isinstance(problem, UpstreamError)
        if isinstance(problem, NotConnected | CredentialRefused):
            return sentence(server, problem)
        state = self._upstreams.known_state(server)  # not made for what the server was when the call began
        when = since(state.failing_since if state else None)
        return f"{sentence(server, problem)} It has failed{when}; the other servers of the toolkit are not affected."


def topic_of(problem: Exception) -> str:
    """Return the section of the guide that speaks of it."""
    return "sign-in-to-the-server" if isinstance(problem, NotConnected | CredentialRefused) else "server-away"


def reply_of(context: Context, answer: Answer) -> Reply:
    """Return the upstream's answer as it came; what the client's era demands beyond it is added."""
    call = context.call
    if answer.error:
        return _error_reply(context, answer)
    result = answer.result
    try:
        peek = _peek.decode(result)
    except msgspec.DecodeError:
        peek = Peek()
    if call.is_modern and peek.resultType is None:
        result = wire.with_members(result, resultType="complete")
    reply = call.raw_result(result)
    if peek.isError:
        reply.outcome, reply.reason = "tool_error", "the tool reported an error"
    return reply


def forged(context: Context) -> Reply:
    reply = context.call.error(replies.INVALID_PARAMS, "This requestState was not given for this request. Begin anew.")
    reply.outcome, reply.reason, reply.refusal = "refused", "forged requestState", "state"
    return reply


def _error_reply(context: Context, answer: Answer) -> Reply:
    call, status = context.call, 200
    if call.is_modern:
        try:
            status = STATUS_OF.get(wire.error_decoder.decode(answer.error).code, 200)
        except msgspec.DecodeError:
            status = 200
    body = b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (call.id, answer.error)
    reply = Reply(status, body, [replies.JSON, replies.NO_STORE])
    reply.outcome, reply.reason = "upstream_error", "the server answered with an error"
    return reply
