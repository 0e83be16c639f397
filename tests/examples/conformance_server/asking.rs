//! Tools that ask their client before they answer.
//!
//! Each is written once for both eras. After a handshake, the question goes out on the event
//! stream of the call, and the tool waits. Without one, the call ends in the question, and the
//! tool runs anew when the client calls again with an answer; answers of earlier calls come back
//! sealed. So a tool asks first, and does what must not happen twice afterwards.

use mcp_protocol::{Question, ToolFailure, ToolResult};
use serde::Deserialize;
use serde_json::json;

use crate::arguments;
use crate::forms::{
    choices, completion, consent, filled, filled_in, line, outcome, person, places, prompt,
};
use crate::simple::Simple;

pub(crate) fn tools() -> Vec<Simple> {
    vec![
        sampling(),
        elicitation(),
        elicitation_of_defaults(),
        elicitation_of_choices(),
        elicitation_after_progress(),
        name(),
        capital(),
        roots(),
        consented("test_input_required_result_request_state"),
        consented("test_input_required_result_tampered_state"),
        three_at_once(),
        two_in_turn(),
        whatever_is_possible(),
    ]
}

#[derive(Deserialize)]
struct Prompt {
    prompt: String,
}

fn sampling() -> Simple {
    let description = "Has the client's model answer a prompt.";
    Simple::new("test_sampling", "Sampling", description, |call, output| {
        Box::pin(async move {
            let arguments: Prompt = arguments::read(call.arguments)?;
            let answer = call.context.ask("completion", prompt(&arguments.prompt, 100)).await?;
            output.write(&format!("LLM response: {}", completion(&answer))).await?;
            Ok(ToolResult::default())
        })
    })
    .takes(json!({
        "type": "object",
        "properties": { "prompt": { "type": "string", "description": "What to say" } },
        "required": ["prompt"],
    }))
    .asks()
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

fn elicitation() -> Simple {
    let description = "Asks the user for a name and an address.";
    Simple::new("test_elicitation", "Elicitation", description, |call, output| {
        Box::pin(async move {
            let arguments: Message = arguments::read(call.arguments)?;
            let answer = call.context.ask("person", person(&arguments.message)).await?;
            output.write(&format!("User response: {}", outcome(&answer))).await?;
            Ok(ToolResult::default())
        })
    })
    .takes(json!({
        "type": "object",
        "properties": { "message": { "type": "string", "description": "What the user reads" } },
        "required": ["message"],
    }))
    .asks()
}

fn elicitation_of_defaults() -> Simple {
    let description = "Has the user check a form that is filled in.";
    Simple::new("test_elicitation_sep1034_defaults", "Defaults", description, |call, output| {
        Box::pin(async move {
            let answer = call.context.ask("form", filled_in()).await?;
            output.write(&format!("Elicitation completed: {}", outcome(&answer))).await?;
            Ok(ToolResult::default())
        })
    })
    .asks()
}

fn elicitation_of_choices() -> Simple {
    let description = "Has the user choose from lists.";
    Simple::new("test_elicitation_sep1330_enums", "Choices", description, |call, output| {
        Box::pin(async move {
            let answer = call.context.ask("form", choices()).await?;
            output.write(&format!("Elicitation completed: {}", outcome(&answer))).await?;
            Ok(ToolResult::default())
        })
    })
    .asks()
}

fn elicitation_after_progress() -> Simple {
    let description = "Tells how far it is, then has the user agree.";
    Simple::new("test_streaming_elicitation", "Streaming", description, |call, output| {
        Box::pin(async move {
            call.context.progress(50.0, Some(100.0), Some("Waiting for the user")).await?;
            let answer = call.context.ask("consent", consent("Go on?")).await?;
            output.write(&format!("Elicitation completed: {}", outcome(&answer))).await?;
            Ok(ToolResult::default())
        })
    })
    .asks()
}

fn name() -> Simple {
    let (name, description) = ("test_input_required_result_elicitation", "Greets by name.");
    Simple::new(name, "Name", description, |call, output| {
        Box::pin(async move {
            let answer = call.context.ask("user_name", line("What is your name?", "name")).await?;
            let name = filled(&answer, "name").ok_or_else(not_said)?;
            output.write(&format!("Hello, {name}!")).await?;
            Ok(ToolResult::default())
        })
    })
    .asks()
}

fn capital() -> Simple {
    let (name, description) = ("test_input_required_result_sampling", "Asks for a capital.");
    Simple::new(name, "Capital", description, |call, output| {
        Box::pin(async move {
            let question = prompt("What is the capital of France?", 100);
            let answer = call.context.ask("capital_question", question).await?;
            output.write(&completion(&answer)).await?;
            Ok(ToolResult::default())
        })
    })
    .asks()
}

fn roots() -> Simple {
    let (name, description) = ("test_input_required_result_list_roots", "Lists the roots.");
    Simple::new(name, "Roots", description, |call, output| {
        Box::pin(async move {
            let answer = call.context.ask("client_roots", Question::ListRoots).await?;
            output.write(&format!("The client works in: {}", places(&answer))).await?;
            Ok(ToolResult::default())
        })
    })
    .asks()
}

fn consented(name: &'static str) -> Simple {
    Simple::new(name, "Consent", "Has the user agree.", |call, output| {
        Box::pin(async move {
            let answer = call.context.ask("confirm", consent("Please confirm")).await?;
            // A state that was not sealed for this very call never gets this far.
            output.write(&format!("state-ok: {}", outcome(&answer))).await?;
            Ok(ToolResult::default())
        })
    })
    .asks()
}

fn three_at_once() -> Simple {
    let name = "test_input_required_result_multiple_inputs";
    let description = "Asks the user, the model and the client at once.";
    Simple::new(name, "Three at once", description, |call, output| {
        Box::pin(async move {
            let questions = [
                ("user_name", line("What is your name?", "name")),
                ("greeting", prompt("Generate a greeting", 50)),
                ("client_roots", Question::ListRoots),
            ];
            let answers = call.context.ask_all(questions).await?;
            let name = filled(answers.get("user_name"), "name").ok_or_else(not_said)?;
            let greeting = completion(answers.get("greeting"));
            let places = places(answers.get("client_roots"));
            output.write(&format!("{greeting} This is for {name} in {places}.")).await?;
            Ok(ToolResult::default())
        })
    })
    .asks()
}

fn two_in_turn() -> Simple {
    let name = "test_input_required_result_multi_round";
    let description = "Asks a second question once the first is answered.";
    Simple::new(name, "Two in turn", description, |call, output| {
        Box::pin(async move {
            let first = line("Step 1: What is your name?", "name");
            let first = call.context.ask("step1", first).await?;
            let name = filled(&first, "name").ok_or_else(not_said)?;
            let second = line("Step 2: What is your favorite color?", "color");
            let second = call.context.ask("step2", second).await?;
            let color = filled(&second, "color").ok_or_else(not_said)?;
            output.write(&format!("{name} likes {color}.")).await?;
            Ok(ToolResult::default())
        })
    })
    .asks()
}

fn whatever_is_possible() -> Simple {
    let name = "test_input_required_result_capabilities";
    let description = "Asks whatever this client can be asked.";
    Simple::new(name, "Whatever is possible", description, |call, output| {
        Box::pin(async move {
            let questions = [
                ("user_name", line("What is your name?", "name")),
                ("greeting", prompt("Generate a greeting", 50)),
                ("client_roots", Question::ListRoots),
            ];
            let possible =
                questions.into_iter().filter(|(_, asked)| call.context.has(asked.capability()));
            let answers = call.context.ask_all(possible).await?;
            for key in ["user_name", "greeting", "client_roots"] {
                output.write(&format!("{key}: {}\n", answers.get(key))).await?;
            }
            Ok(ToolResult::default())
        })
    })
    .asks()
}

fn not_said() -> ToolFailure {
    ToolFailure::Told("Error: the user did not say".into())
}
