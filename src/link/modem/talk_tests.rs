//! What modems say, in whole, in pieces and in the wrong moment.

use proptest::prelude::*;

use super::*;

/// What is heard of this text, byte for byte, by a talk that was asked.
fn heard(talk: &mut Talk, text: &str) -> Vec<Said> {
    let mut out = Vec::new();
    for byte in text.bytes() {
        talk.takes(&[byte], &mut out);
    }
    out
}

fn asked(command: &str, wants: &'static str) -> Talk {
    let mut talk = Talk::default();
    talk.asks(command, wants, false);
    talk
}

fn reply(end: End, lines: &[&str]) -> Said {
    Said::Reply(Reply { end, lines: lines.iter().map(|line| (*line).to_owned()).collect() })
}

fn unasked(line: &str) -> Said {
    Said::Unasked(line.to_owned(), None)
}

#[test]
fn a_reply_is_what_stands_between_the_command_and_its_end() {
    let mut talk = asked("AT+CSQ", "+CSQ:");
    let said = heard(&mut talk, "AT+CSQ\r\r\n+CSQ: 18,99\r\n\r\nOK\r\n");
    assert_eq!(said, [reply(End::Ok, &["+CSQ: 18,99"])]);
    for (text, end) in [
        ("\r\nERROR\r\n", End::Error),
        ("\r\n+CME ERROR: 10\r\n", End::Cme(10)),
        ("\r\n+CMS ERROR: 331\r\n", End::Cms(331)),
        ("\r\n+CMS ERROR: unknown error\r\n", End::Cms(500)),
    ] {
        assert_eq!(heard(&mut asked("AT", ""), text), [reply(end, &[])], "{text:?}");
    }
}

#[test]
fn a_ring_in_the_middle_of_a_send_is_no_answer_to_it() {
    let mut talk = Talk::default();
    talk.asks("AT+CMGS=19", "+CMGS:", true);
    let said = heard(&mut talk, "\r\nRING\r\n\r\n+CLIP: \"13800138000\",129\r\n\r\n> ");
    assert_eq!(said, [unasked("RING"), unasked("+CLIP: \"13800138000\",129"), Said::Prompt]);
    talk.gives("0031AB");
    let said = heard(
        &mut talk,
        " 0031AB\x1a\r\n+CMTI: \"ME\",3\r\nRING\r\n+CDS: 25\r\n0006AA\r\n+CMGS: 42\r\n\r\nOK\r\n",
    );
    assert_eq!(
        said,
        [
            unasked("+CMTI: \"ME\",3"),
            unasked("RING"),
            Said::Unasked("+CDS: 25".to_owned(), Some("0006AA".to_owned())),
            reply(End::Ok, &["+CMGS: 42"]),
        ]
    );
}

#[test]
fn a_word_that_is_asked_for_is_the_answer_and_unasked_it_is_news() {
    let mut talk = asked("AT+CPIN?", "+CPIN:");
    let said = heard(&mut talk, "+CPIN: READY\r\nOK\r\n");
    assert_eq!(said, [reply(End::Ok, &["+CPIN: READY"])]);
    assert_eq!(heard(&mut talk, "+CPIN: NOT READY\r\n"), [unasked("+CPIN: NOT READY")]);
    let mut talk = asked("AT+CSQ", "+CSQ:");
    let said = heard(&mut talk, "+CPIN: NOT READY\r\n+CSQ: 99,99\r\nOK\r\n");
    assert_eq!(said, [unasked("+CPIN: NOT READY"), reply(End::Ok, &["+CSQ: 99,99"])]);
}

#[test]
fn a_report_whose_digits_never_come_spoils_no_answer() {
    let mut talk = asked("AT+CMGR=3", "+CMGR:");
    let said = heard(&mut talk, "+CDS: 25\r\n+CMGR: 0,,26\r\n0791AB\r\nOK\r\n");
    assert_eq!(said, [unasked("+CDS: 25"), reply(End::Ok, &["+CMGR: 0,,26", "0791AB"])]);
}

#[test]
fn a_prompt_that_nobody_waits_for_and_a_line_without_end_are_noise() {
    let mut talk = asked("AT", "");
    assert_eq!(heard(&mut talk, "\r\n> \r\nOK\r\n"), [reply(End::Ok, &[">"])]);
    let endless = "x".repeat(LINE_MAX * 3) + "\r\nOK\r\n";
    assert_eq!(heard(&mut asked("AT", ""), &endless), [reply(End::Ok, &[])]);
    let many = "y\r\n".repeat(LINES_MAX * 2) + "OK\r\n";
    let said = heard(&mut asked("AT", ""), &many);
    assert!(matches!(&said[..], [Said::Reply(reply)] if reply.lines.len() == LINES_MAX));
}

#[test]
fn after_a_reset_of_its_own_the_boot_lines_are_news() {
    let mut talk = Talk::default();
    let said = heard(&mut talk, "\0\u{fffd}\r\nRDY\r\n\r\n+CPIN: READY\r\nSMS DONE\r\n");
    assert_eq!(said[1..], [unasked("RDY"), unasked("+CPIN: READY"), unasked("SMS DONE")]);
}

proptest! {
    /// However a talk is cut into pieces, the same is said.
    #[test]
    fn pieces_change_nothing(cuts in proptest::collection::vec(1_usize..9, 0..60)) {
        let text = b"\r\nRING\r\n\r\n> \r\n+CDS: 25\r\n0006AA\r\n+CMGS: 42\r\n\r\nOK\r\nRDY\r\n";
        let ask = || {
            let mut talk = Talk::default();
            talk.asks("AT+CMGS=19", "+CMGS:", true);
            talk
        };
        let mut whole = Vec::new();
        ask().takes(text, &mut whole);
        let (mut talk, mut pieces, mut rest) = (ask(), Vec::new(), &text[..]);
        for cut in cuts {
            let (piece, left) = rest.split_at(cut.min(rest.len()));
            talk.takes(piece, &mut pieces);
            rest = left;
        }
        talk.takes(rest, &mut pieces);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn no_bytes_lead_it_astray(
        bytes in proptest::collection::vec(any::<u8>(), 0..300), prompt in any::<bool>(),
    ) {
        let mut talk = Talk::default();
        talk.asks("AT+CMGL=4", "+CMGL:", prompt);
        let mut out = Vec::new();
        talk.takes(&bytes, &mut out);
        prop_assert!(talk.so_far().len() <= LINES_MAX);
        prop_assert!(out.len() <= bytes.len());
    }
}
