//! Our side of an SSH session: it decides on the host key, notes why a session ends, and refuses whatever the far end
//! wants to open towards us. Output does not pass here; it goes to the channel that asked for it.

use crate::host_keys::HostKeys;
use crate::lock::lock;
use breakglass_fleet::HostKeyPolicy;
use russh::Channel;
use russh::client::{self, ChannelOpenHandle, DisconnectReason, Msg};
use russh::keys::PublicKeyOrCertificate;
use std::sync::{Arc, Mutex};

/// What the session's handler learns and others need: filled while the session runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Learnt(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    untrusted: Option<(String, String)>,
    banner: Option<String>,
    broke: Option<String>,
}

impl Learnt {
    /// What would have been trusted and what was shown, where the host key was not accepted.
    pub(crate) fn untrusted(&self) -> Option<(String, String)> {
        lock(&self.0).untrusted.clone()
    }

    /// The message that the server showed at log-in.
    pub(crate) fn banner(&self) -> Option<String> {
        lock(&self.0).banner.clone()
    }

    /// What ended the connection.
    pub(crate) fn broke(&self) -> String {
        lock(&self.0).broke.clone().unwrap_or_else(|| "the connection ended".to_owned())
    }
}

/// The client's side of a session: decides on the host key, and notes why the session ends.
pub(crate) struct Handler {
    pub(crate) host_keys: HostKeys,
    pub(crate) component: String,
    pub(crate) policy: HostKeyPolicy,
    pub(crate) principals: Vec<String>,
    pub(crate) learnt: Learnt,
}

impl client::Handler for Handler {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let met = self.host_keys.meet(&self.component, &self.policy, &self.principals, shown).await;
        let trusted = met.is_ok();
        lock(&self.learnt.0).untrusted = met.err();
        Ok(trusted)
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut client::Session) -> Result<(), Self::Error> {
        let line: String = banner.chars().filter(|c| !c.is_control()).take(200).collect();
        lock(&self.learnt.0).banner = Some(line);
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        let why = match &reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                let said: String = info.message.chars().filter(|c| !c.is_control()).take(200).collect();
                format!("the far end said goodbye: {said}")
            }
            DisconnectReason::Error(russh::Error::IO(error)) => format!("the connection broke: {error}"),
            DisconnectReason::Error(russh::Error::Disconnect | russh::Error::HUP) => {
                "the far end closed the connection".to_owned()
            }
            DisconnectReason::Error(error) => format!("the connection broke: {error}"),
        };
        lock(&self.learnt.0).broke = Some(why);
        Ok(())
    }

    // A far end that opens channels towards us is refused: dropping `reply` says no.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }
}
