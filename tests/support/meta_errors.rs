//! The Cloud API's documented errors: code → HTTP status, text, and body.

use serde_json::{Value, json};

use super::{fresh, script::Behaviour};

/// The HTTP status that goes with a code (some codes share one with everything: 400).
pub fn http_status(code: i64) -> u16 {
    match code {
        0 | 190 => 401,
        3 | 131000 | 131045 | 131057 => 500,
        131016 => 500,
        2 | 133004 => 503,
        10 | 200..=299 | 131005 | 368 | 131031 | 130497 => 403,
        132001 => 404,
        _ => 400,
    }
}

/// The title that goes with a code.
pub fn title(code: i64) -> &'static str {
    match code {
        0 => "AuthException",
        1 => "API Unknown",
        2 => "API Service",
        3 => "API Method",
        4 => "API Too Many Calls",
        10 => "Permission Denied",
        33 => "Parameter value is not valid",
        100 => "Invalid parameter",
        190 => "Error validating access token: Session has expired",
        200..=299 => "API Permission",
        368 => "Temporarily blocked for policies violations",
        80007 => "Rate limit issues",
        130429 => "Rate limit hit",
        130472 => "User's number is part of an experiment",
        130497 => "Business account is restricted from messaging users in this country",
        131000 => "Something went wrong",
        131005 => "Access denied",
        131008 => "Required parameter is missing",
        131009 => "Parameter value is not valid",
        131016 => "Service unavailable",
        131021 => "Recipient cannot be sender",
        131026 => "Message undeliverable",
        131030 => "Recipient phone number not in allowed list",
        131031 => "Account has been locked",
        131037 => "Display name approval needed",
        131042 => "Business eligibility payment issue",
        131045 => "Incorrect certificate",
        131047 => "Re-engagement message",
        131048 => "Spam rate limit hit",
        131049 => "Meta chose not to deliver",
        131050 => "User has opted out of marketing messages",
        131051 => "Unsupported message type",
        131052 => "Media download error",
        131053 => "Media upload error",
        131056 => "(Business Account, Consumer Account) pair rate limit hit",
        131057 => "Account in maintenance mode",
        131062 => "Business-scoped user ids are not supported for this template",
        131064 => "Template classification violation",
        132000 => "Template param count mismatch",
        132001 => "Template does not exist",
        132005 => "Template hydrated text too long",
        132007 => "Template format character policy violated",
        132012 => "Template parameter format mismatch",
        132015 => "Template is paused",
        132016 => "Template is disabled",
        133004 => "Server temporarily unavailable",
        133010 => "Phone number not registered",
        133016 => "Account register deregister rate limit exceeded",
        135000 => "Generic user error",
        137000 => "Recipient identity key hash mismatch",
        _ => "Unknown error",
    }
}

/// The documented error body.
pub fn body(code: i64, details: &str) -> Value {
    let message = format!("(#{code}) {}", title(code));
    let trace = format!("A{:x}", fresh::random());
    json!({"error": {
        "message": message, "type": "OAuthException", "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": details},
        "fbtrace_id": trace,
    }})
}

/// A refusal with this code, its usual HTTP status and the documented body.
pub fn error(code: i64) -> Behaviour {
    error_with_status(code, http_status(code))
}

/// A refusal with this code under another HTTP status (some are seen under several).
pub fn error_with_status(code: i64, status: u16) -> Behaviour {
    Behaviour::answer(status, &body(code, "Scripted by the test."))
}

/// 429 with code 130429, `Retry-After`, and the usage header.
pub fn rate_limited(retry_after_seconds: u32) -> Behaviour {
    let usage = json!({"330011223344": [{
        "type": "messages", "call_count": 100, "total_cputime": 20, "total_time": 20,
        "estimated_time_to_regain_access": retry_after_seconds.div_ceil(60),
    }]});
    error_with_status(130_429, 429)
        .with_header("retry-after", retry_after_seconds)
        .with_header("x-business-use-case-usage", usage)
}
