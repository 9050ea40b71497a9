"""Every feature of MCP as the official Python client sees it, in both eras: through Nexus as from the server itself."""

import asyncio
import io
from contextlib import AsyncExitStack

import mcp.types as types
import pytest
from django.core.management import call_command
from mcp import MCPError

from tests.clients.conftest import Ready
from tests.clients.conversation import conversation
from tests.conformance.targets import running_reference, through_the_hub

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.filterwarnings(
        "ignore::mcp.MCPDeprecationWarning"
    ),  # what the newest revision removes, older clients use
]
both_eras = pytest.mark.parametrize("mode", ["auto", "legacy"])
REFERENCE_PROMPT = types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments")


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    with running_reference(tmp_path_factory.mktemp("reference") / "log") as url:
        yield url


@pytest.fixture
def everything(transactional_db, live_process, reference, alice, settings) -> Ready:
    """The reference server with all it offers, as an operator adds it."""
    settings.NEXUS_ADMIN_EMAIL = alice.email
    settings.NEXUS_BASE_URL = live_process.base
    live_process.meet()
    target = through_the_hub(manage, reference, alice.email)
    return Ready(live_process, target.url, target.token)


def manage(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output, stderr=io.StringIO())
    return output.getvalue().strip()


def talk(ready: Ready, mode: str, say, **options):
    """Run `say(client, heard)` in a conversation through the hub; return what it returns."""

    async def run():
        async with asyncio.timeout(30), conversation(ready.url, ready.secret, mode, **options) as (client, heard):
            return await say(client, heard)

    return asyncio.run(run())


async def called(client, tool: str, arguments=None, **options) -> str:
    result = await client.call_tool(tool, arguments or {}, **options)
    return result.content[0].text


@both_eras
def test_progress_comes_before_the_answer(everything, mode):
    async def say(client, heard):
        await client.call_tool("test_tool_with_progress", {}, progress_callback=heard.on_progress)
        return heard.progress

    assert talk(everything, mode, say) == [(step, 100, f"Completed step {step} of 100") for step in (0, 50, 100)]


@both_eras
def test_log_messages_come_in_their_order(everything, mode):
    async def say(client, heard):
        if mode == "legacy":
            await client.set_logging_level("info")
        await client.call_tool("test_tool_with_logging", {})
        return heard.logged

    options = {} if mode == "legacy" else {"log_level": "info"}
    assert talk(everything, mode, say, **options) == [
        "Tool execution started", "Tool processing data", "Tool execution completed"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "tool", "arguments", "answer"),
    [
        ("legacy", "test_sampling", {"prompt": "Capital of France?"}, "LLM response: Paris"),
        ("auto", "test_input_required_result_sampling", {}, "Model said: Paris"),
    ],
)
def test_a_server_has_the_clients_model_answer(everything, mode, tool, arguments, answer):
    async def say(client, heard):
        said = await called(client, tool, arguments)
        return said, [asked.max_tokens for asked in heard.asked]

    assert talk(everything, mode, say) == (answer, [100])


@pytest.mark.parametrize(
    ("mode", "tool", "arguments", "answer"),
    [
        ("legacy", "test_elicitation", {"message": "Who?"}, 'User response: action=accept, content={"response":"Ada"}'),
        ("auto", "test_input_required_result_elicitation", {}, "Hello, Ada!"),
        ("legacy", "test_streaming_elicitation", {}, "elicitation accept"),
        ("auto", "test_streaming_elicitation", {}, "elicitation accept"),
    ],
)
def test_a_server_asks_the_person_by_a_form(everything, mode, tool, arguments, answer):
    async def say(client, heard):
        said = await called(client, tool, arguments)
        return said, [(type(asked), len(asked.requested_schema["properties"])) for asked in heard.asked]

    assert talk(everything, mode, say) == (answer, [(types.ElicitRequestFormParams, 1)])


def test_a_server_asks_round_after_round(everything):
    async def say(client, heard):
        said = await called(client, "test_input_required_result_multi_round")
        return said, [asked.message for asked in heard.asked]

    questions = ["Step 1: What is your name?", "Step 2: What is your favorite color?"]
    assert talk(everything, "auto", say) == ("Ada likes Ada.", questions)


def test_a_server_asks_for_roots(everything):
    async def say(client, heard):
        return await called(client, "test_input_required_result_list_roots")

    assert talk(everything, "auto", say) == "Client exposed 1 root(s)."


@both_eras
def test_resources_are_listed_and_read(everything, mode):
    async def say(client, heard):
        listed, templates = await client.list_resources(), await client.list_resource_templates()
        text, binary = [await client.read_resource(f"test://static-{kind}") for kind in ("text", "binary")]
        filled = await client.read_resource("test://template/7/data")
        return (
            [resource.uri for resource in listed.resources],
            [template.uri_template for template in templates.resource_templates],
            text.contents[0].text, binary.contents[0].mime_type, filled.contents[0].text,
        )  # fmt: skip

    assert talk(everything, mode, say) == (
        ["test://static-text", "test://static-binary", "test://watched-resource"],
        ["test://template/{id}/data"],
        "This is the content of the static text resource.",
        "text/plain",
        '{"id": "7", "templateTest": true, "data": "Data for ID: 7"}',
    )


@both_eras
def test_prompts_are_listed_and_filled_in(everything, mode):
    async def say(client, heard):
        listed = await client.list_prompts()
        filled = await client.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        return [prompt.name for prompt in listed.prompts], filled.messages[0].content.text

    assert talk(everything, mode, say) == (
        ["test_simple_prompt", "test_prompt_with_arguments", "test_prompt_with_embedded_resource",
         "test_prompt_with_image", "test_input_required_result_prompt"],
        "Prompt with arguments: arg1='a', arg2='b'",
    )  # fmt: skip


def test_a_prompt_asks_the_person_too(everything):
    async def say(client, heard):
        return (await client.get_prompt("test_input_required_result_prompt")).messages[0].content.text

    assert talk(everything, "auto", say) == "Use the following context: Ada"


@both_eras
def test_arguments_are_completed(everything, mode):
    async def say(client, heard):
        return (await client.complete(REFERENCE_PROMPT, {"name": "arg1", "value": "x"})).completion

    assert talk(everything, mode, say) == types.Completion(values=[], total=0, has_more=False)


def test_an_older_client_subscribes_to_a_resource_and_leaves_it(everything):
    async def say(client, heard):
        await client.subscribe_resource("test://watched-resource")
        await client.unsubscribe_resource("test://watched-resource")
        return client.server_capabilities.resources.subscribe

    assert talk(everything, "legacy", say) is True


def test_a_modern_client_listens_for_changed_lists(everything):
    async def say(client, heard):
        async with client.listen(
            tools_list_changed=True, prompts_list_changed=True, resource_subscriptions=["test://watched-resource"]
        ) as changes:
            await client.call_tool("test_trigger_tool_change", {})
            first = await anext(changes)
            await client.call_tool("test_trigger_prompt_change", {})
            return changes.honored, type(first).__name__, type(await anext(changes)).__name__

    honored, *changed = talk(everything, "auto", say)
    assert honored.resource_subscriptions == ["test://watched-resource"]
    assert changed == ["ToolsListChanged", "PromptsListChanged"]


@both_eras
def test_content_of_every_kind_and_structure_arrives_unchanged(everything, reference, mode):
    tools = ["test_image_content", "test_audio_content", "test_embedded_resource", "test_multiple_content_types",
             "test_simple_text", "test_error_handling"]  # fmt: skip

    async def say(client, heard):
        results = [await client.call_tool(tool, {}) for tool in tools]
        definitions = {tool.name: tool for tool in (await client.list_tools()).tools}
        return results, [definitions[name] for name in (*tools, "json_schema_2020_12_tool")]

    through = talk(everything, mode, say)
    assert through == talk(Ready(everything.live, reference, ""), mode, say)
    assert [bool(result.is_error) for result in through[0]] == [False] * 5 + [True]


@both_eras
def test_errors_keep_their_code_and_data(everything, reference, mode):
    async def refused(ready):
        async with conversation(ready.url, ready.secret, mode) as (client, _):
            with pytest.raises(MCPError) as caught:
                await client.read_resource("test://none")
            return caught.value.error

    async def both():
        return [await refused(ready) for ready in (everything, Ready(everything.live, reference, ""))]

    through, directly = asyncio.run(both())
    assert (through.code, through.data) == (directly.code, directly.data) == (-32602, {"uri": "test://none"})


@both_eras
def test_many_calls_at_once_get_their_own_answers(everything, mode):
    async def say(client, heard):
        steps: dict[int, list] = {number: [] for number in range(8)}

        def note(number):
            async def on_progress(progress, total, message):
                steps[number].append(progress)

            return on_progress

        calls = [client.call_tool("test_tool_with_progress", {}, progress_callback=note(number)) for number in steps]
        texts = [result.content[0].text for result in await asyncio.gather(*calls)]
        return len(set(texts)), list(steps.values())

    assert talk(everything, mode, say) == (8, [[0, 50, 100]] * 8)


@both_eras
def test_two_clients_of_one_token_do_not_hear_each_other(everything, mode):
    async def both():
        async with AsyncExitStack() as stack:
            talks = [
                await stack.enter_async_context(conversation(everything.url, everything.secret, mode)) for _ in range(2)
            ]
            (one, heard), (_, other) = talks
            tool = "test_elicitation" if mode == "legacy" else "test_input_required_result_elicitation"
            await one.call_tool(tool, {"message": "Who?"} if mode == "legacy" else {})
            return len(heard.asked), len(other.asked)

    assert asyncio.run(both()) == (1, 0)
