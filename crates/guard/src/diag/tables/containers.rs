//! The set `containers`: what a container engine tells of its containers. Nothing is run in one, and nothing leaves one but
//! its log and its masked description.

use crate::diag::grammar::{Command, Draft, NOTHING, PROGRAM};
use crate::diag::plan::{Needs, Privilege};
use crate::diag::policy::DiagPolicy;
use breakglass_protocol::Refusal;
use breakglass_redact::Shape;

const ENGINE: Needs = Needs { privilege: Some(Privilege::ContainerEngine), ..NOTHING };

pub(crate) const COMMANDS: &[Command] = &[Command {
    names: "docker podman",
    set: "containers",
    needs: ENGINE,
    rows: &["
        -a --all @ps,ls,images,stats
        -q --quiet @ps,ls,images
        -l --latest @ps,ls
        -n --last = count(1-200) @ps,ls
        -s --size @ps,ls,inspect
        --no-trunc @ps,ls,images,stats
        -f --filter = filter @ps,ls,images
        --format = template(json|ID|Image|Names|Name|Status|State|Ports|CreatedAt|Created|RunningFor|Size|Networks|LocalVolumes|Mounts|Repository|Tag|Digest|CreatedSince|Driver|Scope|Pod|PodName) @ps,ls,images
        --format = template(json|Container|Name|ID|CPUPerc|CPU|MemUsage|MemPerc|NetIO|BlockIO|PIDs|PIDS) @stats
        -f --format = template(Id|ID|Name|Created|Image|ImageName|Platform|Driver|RestartCount|AppArmorProfile|State|State.Status|State.Running|State.Paused|State.Restarting|State.OOMKilled|State.Dead|State.Pid|State.ExitCode|State.Error|State.StartedAt|State.FinishedAt|State.Health.Status|State.Health.FailingStreak|Config.Image|Config.Hostname|Config.User|Config.WorkingDir|HostConfig.NetworkMode|HostConfig.RestartPolicy.Name|HostConfig.RestartPolicy.MaximumRetryCount|HostConfig.Memory|HostConfig.NanoCpus|HostConfig.CpuShares|HostConfig.PidsLimit|HostConfig.LogConfig.Type|HostConfig.Privileged|HostConfig.ReadonlyRootfs|NetworkSettings.IPAddress|NetworkSettings.Ports|SizeRw|SizeRootFs|Architecture|Os|Size) @inspect
        --type = one(container|image) @inspect
        -n --tail = lines(5000) @logs
        -t --timestamps @logs
        --since = time @logs
        --until = time @logs
        --no-stream @stats
        -v --verbose @df
    "],
    verbs: "
        ps :
        logs : name
        inspect : image+8
        stats : name*16
        top : name
        images : image?
        info :
        version :
        container ls|list|ps :
        container logs : name
        container inspect : name+8
        container stats : name*16
        container top : name
        image ls|list : image?
        network ls|list :
        volume ls|list :
        system df :
    ",
    rules: "
        @stats need --no-stream: never ends; ask `docker stats --no-stream`
        @logs add --tail=1000 unless --tail: no --tail was given: the last 1000 lines are shown
    ",
    last: Some(describe),
    ..PROGRAM
}];

/// What is masked by structure.
fn describe(draft: &mut Draft, _: &DiagPolicy) -> Result<(), Refusal> {
    let format = draft.value("--format");
    if draft.verb_is("inspect") && format.is_none() {
        draft.shape = Shape::ContainerJson;
    } else if format.is_some_and(|format| format.contains("json")) {
        draft.shape = Shape::JsonLines;
    }
    Ok(())
}
