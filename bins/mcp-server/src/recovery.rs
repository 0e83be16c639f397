//! Lost passwords: who answers for them, and what sends the letters.

use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use mcp_accounts::{
    LockNotices, LockWords, MailTexts, Mailroom, MailroomParts, Recovery, RecoveryParts,
    RecoverySettings,
};
use mcp_accounts_http::RecoveryHttp;
use mcp_auth::Auth;
use mcp_config::Config;
use mcp_identity::AuditLog;
use mcp_mail::{Line, Outbox};
use mcp_password::{Hasher, Policy, Preset};
use mcp_store::RecoveryStore;
use mcp_throttle::Quota;

use crate::fault::StartFault;
use crate::outbox::{self, refused};
use crate::stores::Surroundings;
use crate::tasks::Shutdown;

/// Letters that one client may ask for, in the window in which an address of mail has its own.
const PER_CLIENT: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// The wait before a mailroom that panicked is begun anew; twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Where lost passwords are found again.
pub(crate) struct Place {
    pub(crate) store: Arc<dyn RecoveryStore>,
    pub(crate) hasher: Arc<Hasher>,
}

/// What letters need, looked at before anybody is let in: locks are heard of from the beginning.
pub(crate) struct Mail {
    outbox: Option<Arc<dyn Outbox>>,
    locks: Option<LockWords>,
}

impl Mail {
    /// The outbox that is configured, and an audit log that hears of locks where letters tell of
    /// them.
    pub(crate) fn open(
        config: &Config,
        audit: Arc<dyn AuditLog>,
    ) -> Result<(Self, Arc<dyn AuditLog>), StartFault> {
        let outbox = outbox::open(config)?;
        if outbox.is_none() || !config.http.auth.lockout_notification {
            return Ok((Self { outbox, locks: None }, audit));
        }
        let (notices, words) = LockNotices::new(audit);
        Ok((Self { outbox, locks: Some(words) }, Arc::new(notices)))
    }
}

/// What answers for lost passwords; what sends the letters is started.
pub(crate) fn open(
    config: &Config,
    place: Place,
    mail: Mail,
    auth: Auth,
    audit: Arc<dyn AuditLog>,
    around: &mut Surroundings<'_>,
) -> Result<RecoveryHttp, StartFault> {
    let Place { store, hasher } = place;
    let Mail { outbox, locks } = mail;
    let settings = settings(config, &hasher, outbox.is_some())?;
    let link_life = settings.link_life;
    let auth_of_door = auth.clone();
    let parts = RecoveryParts {
        store: Arc::clone(&store),
        hasher,
        auth,
        clock: Arc::clone(&around.clock),
        entropy: Arc::clone(&around.entropy),
        audit: Arc::clone(&audit),
    };
    let recovery = Recovery::new(parts, settings);
    if let Some(outbox) = outbox {
        let parts = MailroomParts {
            store,
            outbox,
            texts: texts(config)?,
            link_life,
            clock: Arc::clone(&around.clock),
            entropy: Arc::clone(&around.entropy),
            audit,
            bell: recovery.bell(),
            locks,
        };
        around.tasks.start("mail", send_letters(parts, around.shutdown.clone()));
    }
    Ok(RecoveryHttp::new(Arc::new(recovery), auth_of_door, Arc::clone(&around.clock)))
}

/// Sends letters until it is time to stop. No letter is worth the whole server: one that brings the
/// mailroom down waits until its time is over.
async fn send_letters(parts: MailroomParts, shutdown: Shutdown) {
    let mut wait = FIRST_WAIT;
    loop {
        let running = Mailroom::new(parts.clone()).run(shutdown.clone().requested());
        if AssertUnwindSafe(running).catch_unwind().await.is_ok() {
            return;
        }
        tracing::error!("The mailroom panicked; it begins anew");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.clone().requested() => return,
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

fn settings(
    config: &Config,
    hasher: &Hasher,
    has_mail: bool,
) -> Result<RecoverySettings, StartFault> {
    let reset = &config.password_reset;
    let preset = config.passwords.policy.as_str().parse::<Preset>();
    let preset = preset.map_err(|fault| refused("passwords.policy", fault))?;
    let minutes = |minutes: NonZeroU32| Duration::from_secs(60 * u64::from(minutes.get()));
    let window = minutes(reset.rate_window_minutes);
    Ok(RecoverySettings {
        enabled: reset.enabled,
        has_mail,
        policy: Policy::new(preset, hasher.algorithm()),
        public_url: config.http.public_url.clone(),
        link_life: minutes(reset.token_expiry_minutes),
        per_email: Quota { attempts: reset.rate_limit, window },
        per_client: Quota { attempts: PER_CLIENT, window },
        end_sessions: reset.invalidate_sessions,
        min_response: Duration::from_millis(reset.min_response_ms.into()),
    })
}

fn texts(config: &Config) -> Result<MailTexts, StartFault> {
    let mail = &config.mail;
    let subject = |key: &str, text: &str| Line::parse(text).map_err(|fault| refused(key, fault));
    Ok(MailTexts {
        public_url: config.http.public_url.clone(),
        reset_subject: subject("mail.reset_subject", &mail.reset_subject)?,
        confirmation_subject: subject("mail.confirmation_subject", &mail.confirmation_subject)?,
        lockout_subject: subject("mail.lockout_subject", &mail.lockout_subject)?,
    })
}
