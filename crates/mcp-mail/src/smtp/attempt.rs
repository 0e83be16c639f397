//! One letter, one connection, step by step.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use rustls::ClientConfig;
use tokio::io::AsyncRead;
use tokio::time::timeout;

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::reply::Reply;
use super::settings::{Login, Security, Settings};
use super::wire::{Transport, Wire};
use super::words::Secrets;
use super::{Done, dial};
use crate::compose;
use crate::error::{Fault, SendError, Step};
use crate::letter::Letter;

/// How long a goodbye may take: nothing depends on it.
const GOODBYE: Duration = Duration::from_secs(1);
/// "Send it" (RFC 5321 §4.2.3).
const START_MAIL_INPUT: u16 = 354;

/// What one attempt is made with.
pub(super) struct Attempt<'a> {
    settings: &'a Settings,
    tls: Option<&'a Arc<ClientConfig>>,
    letter: &'a Letter,
    secrets: Secrets<'a>,
    tell: &'a mut (dyn FnMut(Done) + Send),
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        tls: Option<&'a Arc<ClientConfig>>,
        letter: &'a Letter,
        tell: &'a mut (dyn FnMut(Done) + Send),
    ) -> Self {
        let secrets = Secrets::new(settings.login.as_ref(), letter);
        Self { settings, tls, letter, secrets, tell }
    }

    /// Sends the letter, composed.
    pub(super) async fn run(mut self, bytes: &[u8]) -> Result<(), SendError> {
        let (wire, client) = self.connect().await?;
        let mut connection = self.hello(wire, &client).await?;
        let sent = self.converse(&mut connection, bytes).await;
        // Whoever was refused says goodbye as well; after a silence there is nobody to say it to.
        if matches!(&sent, Ok(()) | Err(Refusal::Said(_))) {
            let _ = timeout(GOODBYE, connection.quit()).await;
        }
        sent.map_err(Refusal::into_error)
    }

    /// Connects and protects the connection. Nothing that matters is said before it returns.
    async fn connect(&mut self) -> Result<(Wire, ClientId), SendError> {
        let settings = self.settings;
        let mut stream = self.within(Step::Connect, dial::connect(settings)).await?;
        let peer = stream.peer_addr().map_err(dial::io_fault);
        let peer = peer.map_err(|fault| self.error(Step::Connect, fault))?;
        self.tell(Step::Connect, &peer.to_string());
        let client = dial::client_id(&stream).map_err(|fault| self.error(Step::Connect, fault))?;
        let wire = match (settings.security, self.tls) {
            (Security::Plain, _) => {
                let greeting = self.greeting(&mut stream).await?;
                Wire::new(Transport::Plain(stream), greeting)
            }
            (Security::Tls, Some(tls)) => {
                let mut stream = self.tls(stream, tls).await?;
                let greeting = self.greeting(&mut stream).await?;
                Wire::new(Transport::Tls(stream), greeting)
            }
            (Security::StartTls, Some(tls)) => {
                let greeting = self.greeting(&mut stream).await?;
                self.within(Step::StartTls, dial::start_tls(&mut stream, &client)).await?;
                self.tell(Step::StartTls, "the server is ready for it");
                Wire::new(Transport::Tls(self.tls(stream, tls).await?), greeting)
            }
            (Security::Tls | Security::StartTls, None) => {
                return Err(self.error(Step::Tls, Fault::Tls("it is not set up".to_owned())));
            }
        };
        Ok((wire, client))
    }

    /// Reads the server's first words and returns them as they were sent.
    async fn greeting(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Result<Vec<u8>, SendError> {
        let mut ahead = Vec::new();
        let greeting = async { Reply::read(stream, &mut ahead).await?.expect(220) };
        let greeting = self.within(Step::Greeting, greeting).await?;
        self.tell(Step::Greeting, &greeting.lines.join(" "));
        Ok(greeting.bytes)
    }

    async fn tls(
        &mut self,
        stream: TcpStream,
        config: &Arc<ClientConfig>,
    ) -> Result<Box<TlsStream<TcpStream>>, SendError> {
        let host = self.settings.host.as_str();
        let stream = self.within(Step::Tls, dial::tls(stream, host, config)).await?;
        let version = match stream.get_ref().1.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS 1.2",
        };
        self.tell(Step::Tls, &format!("{version}, the certificate is for {host}"));
        Ok(stream)
    }

    async fn hello(
        &mut self,
        wire: Wire,
        client: &ClientId,
    ) -> Result<AsyncSmtpConnection, SendError> {
        let hello = AsyncSmtpConnection::connect_with_transport(Box::new(wire), client);
        let hello = async { hello.await.map_err(|error| fault(&error)) };
        let connection = self.within(Step::Hello, hello).await?;
        self.tell(Step::Hello, connection.server_info().name());
        Ok(connection)
    }

    async fn converse(
        &mut self,
        connection: &mut AsyncSmtpConnection,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        let settings = self.settings;
        if let Some(login) = &settings.login {
            self.asked(Step::Login, log_in(connection, login)).await?;
        }
        self.asked(Step::Sender, sender(connection, settings, self.letter, bytes)).await?;
        self.asked(Step::Recipient, recipient(connection, self.letter)).await?;
        self.asked(Step::Content, content(connection, bytes)).await
    }

    /// One command and its answer.
    async fn asked(
        &mut self,
        step: Step,
        work: impl Future<Output = Result<Response, Fault>>,
    ) -> Result<(), Refusal> {
        let response = self.within(step, work).await.map_err(|error| match error.fault() {
            Fault::Refused { .. } | Fault::NeedsUtf8 | Fault::NoLogin => Refusal::Said(error),
            _ => Refusal::Broken(error),
        })?;
        let words = response.message().collect::<Vec<_>>().join(" ");
        self.tell(step, &format!("{} {words}", response.code()));
        Ok(())
    }

    /// Does the work of a step in the time of a step.
    async fn within<T>(
        &mut self,
        step: Step,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, SendError> {
        let limit = self.settings.timeout;
        let done = timeout(limit, work).await.unwrap_or(Err(Fault::TimedOut(limit)));
        done.map_err(|fault| self.error(step, fault))
    }

    fn error(&self, step: Step, fault: Fault) -> SendError {
        let fault = match fault {
            Fault::Refused { code, text } => {
                Fault::Refused { code, text: self.secrets.clean(&text) }
            }
            Fault::NotSmtp(text) => Fault::NotSmtp(self.secrets.clean(&text)),
            other => other,
        };
        SendError::new(&self.settings.place(), step, fault)
    }

    fn tell(&mut self, step: Step, detail: &str) {
        (self.tell)(Done { step, detail: self.secrets.clean(detail) });
    }
}

/// Why a conversation ended.
enum Refusal {
    /// Somebody said no, and the connection is as good as before.
    Said(SendError),
    /// Nobody listens any more.
    Broken(SendError),
}

impl Refusal {
    fn into_error(self) -> SendError {
        match self {
            Self::Said(error) | Self::Broken(error) => error,
        }
    }
}

async fn log_in(connection: &mut AsyncSmtpConnection, login: &Login) -> Result<Response, Fault> {
    if connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
        return Err(Fault::NoLogin);
    }
    let credentials = Credentials::new(login.user.clone(), login.password.expose().to_owned());
    connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(|error| fault(&error))
}

async fn sender(
    connection: &mut AsyncSmtpConnection,
    settings: &Settings,
    letter: &Letter,
    bytes: &[u8],
) -> Result<Response, Fault> {
    let from = &settings.from.address;
    let offers = |extension| connection.server_info().supports_feature(extension);
    let mut parameters = Vec::new();
    if !from.is_ascii() || !letter.to().is_ascii() {
        if !offers(Extension::SmtpUtfEight) {
            return Err(Fault::NeedsUtf8);
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    // Only an address can make it so, and whoever takes SMTPUTF8 takes this (RFC 6531 §3.1).
    if !bytes.is_ascii() {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let address = compose::address(from).map_err(|_| Fault::Unfit)?;
    let said = connection.command(Mail::new(Some(address), parameters)).await;
    accepted(said)
}

async fn recipient(
    connection: &mut AsyncSmtpConnection,
    letter: &Letter,
) -> Result<Response, Fault> {
    let address = compose::address(letter.to()).map_err(|_| Fault::Unfit)?;
    let said = connection.command(Rcpt::new(address, Vec::new())).await;
    accepted(said)
}

async fn content(connection: &mut AsyncSmtpConnection, bytes: &[u8]) -> Result<Response, Fault> {
    let ready = connection.command(Data).await.map_err(|error| fault(&error))?;
    // To any other answer the letter's lines would be commands.
    if !ready.has_code(START_MAIL_INPUT) {
        return Err(unexpected(&ready));
    }
    let said = connection.message(bytes).await;
    accepted(said)
}

/// The answer, if it says that a command was carried out (2xx).
fn accepted(said: Result<Response, lettre::transport::smtp::Error>) -> Result<Response, Fault> {
    let response = said.map_err(|error| fault(&error))?;
    if response.code().to_string().starts_with('2') {
        Ok(response)
    } else {
        Err(unexpected(&response))
    }
}

fn unexpected(response: &Response) -> Fault {
    let words = response.message().collect::<Vec<_>>().join(" ");
    Fault::NotSmtp(format!("{} {words}", response.code()))
}

/// What the library says, in our words.
fn fault(error: &lettre::transport::smtp::Error) -> Fault {
    let words = error.source().map(ToString::to_string).unwrap_or_default();
    if let Some(code) = error.status().and_then(|code| code.to_string().parse().ok()) {
        return Fault::Refused { code, text: words };
    }
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match io {
        Some(io) if io.kind() == io::ErrorKind::InvalidData => Fault::NotSmtp(words),
        Some(io) => dial::io_fault(io::Error::new(io.kind(), words)),
        None => Fault::NotSmtp(words),
    }
}
