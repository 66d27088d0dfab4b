//! The set `kubernetes`: kubectl, reading, with the kubeconfig that the host's configuration names and no other. A kind
//! that is not listed is not shown, whatever it is called.

use crate::diag::grammar::{Command, Draft, NETWORK, PROGRAM};
use crate::diag::plan::Given;
use crate::diag::policy::DiagPolicy;
use breakglass_protocol::{Refusal, Rule};
use breakglass_redact::Shape;

/// Kinds that are listed as tables.
pub(crate) const KINDS: &str = "\
    pod pods po node nodes no namespace namespaces ns service services svc deployment deployments deploy \
    deployments.apps statefulset statefulsets sts statefulsets.apps daemonset daemonsets ds daemonsets.apps replicaset \
    replicasets rs replicasets.apps job jobs jobs.batch cronjob cronjobs cj cronjobs.batch event events ev events.events.k8s.io \
    endpoints ep endpointslice endpointslices ingress ingresses ing ingressclass ingressclasses networkpolicy \
    networkpolicies netpol persistentvolume persistentvolumes pv persistentvolumeclaim persistentvolumeclaims pvc \
    storageclass storageclasses sc volumeattachment volumeattachments csinode csinodes csidriver csidrivers \
    configmap configmaps cm serviceaccount serviceaccounts sa role roles rolebinding rolebindings clusterrole clusterroles \
    clusterrolebinding clusterrolebindings horizontalpodautoscaler horizontalpodautoscalers hpa poddisruptionbudget \
    poddisruptionbudgets pdb resourcequota resourcequotas quota limitrange limitranges limits priorityclass priorityclasses pc \
    runtimeclass runtimeclasses lease leases replicationcontroller replicationcontrollers rc componentstatus \
    componentstatuses cs customresourcedefinition customresourcedefinitions crd crds apiservice apiservices all \
    certificatesigningrequest certificatesigningrequests csr validatingwebhookconfigurations mutatingwebhookconfigurations \
    certificate certificates cert certs certificaterequest certificaterequests order orders challenge challenges issuer \
    issuers clusterissuer clusterissuers externalsecret externalsecrets es application applications app apps appproject \
    appprojects applicationset applicationsets helmrelease helmreleases hr kustomization kustomizations ks gitrepository \
    gitrepositories helmrepository helmrepositories helmchart helmcharts gateway gateways gatewayclass gatewayclasses \
    httproute httproutes ingressroute ingressroutes servicemonitor servicemonitors podmonitor podmonitors prometheus \
    prometheuses prometheusrule prometheusrules alertmanager alertmanagers volumesnapshot volumesnapshots volumesnapshotclass \
    volumesnapshotclasses volumesnapshotcontent volumesnapshotcontents ciliumnode ciliumnodes ciliumendpoint ciliumendpoints \
    ciliumnetworkpolicy ciliumnetworkpolicies cnp volumes.longhorn.io engines.longhorn.io replicas.longhorn.io \
    nodes.longhorn.io cephcluster cephclusters cephblockpool cephblockpools cluster clusters machine machines machineset \
    machinesets machinedeployment machinedeployments backup backups schedule schedules restore restores ipaddresspool \
    ipaddresspools l2advertisement l2advertisements bgppeer bgppeers scaledobject scaledobjects vpa virtualmachine \
    virtualmachines vm vms virtualmachineinstance virtualmachineinstances vmi vmis datavolume datavolumes dv";

/// Kinds that are shown whole, masked by structure.
const WHOLE: &str = "\
    pod pods po node nodes no namespace namespaces ns service services svc deployment deployments deploy deployments.apps \
    statefulset statefulsets sts statefulsets.apps daemonset daemonsets ds daemonsets.apps replicaset replicasets rs \
    replicasets.apps job jobs cronjob cronjobs cj event events ev endpoints ep endpointslice endpointslices ingress \
    ingresses ing networkpolicy networkpolicies netpol persistentvolume persistentvolumes pv persistentvolumeclaim \
    persistentvolumeclaims pvc storageclass storageclasses sc horizontalpodautoscaler horizontalpodautoscalers hpa \
    poddisruptionbudget poddisruptionbudgets pdb resourcequota resourcequotas quota limitrange limitranges limits \
    priorityclass priorityclasses pc lease leases";

pub(crate) const COMMANDS: &[Command] = &[Command {
    names: "kubectl",
    set: "kubernetes",
    lead: "--request-timeout=20s",
    needs: NETWORK,
    rows: &["
        -n --namespace = name
        -A --all-namespaces @get,describe,top
        -l --selector = selector
        --field-selector = selector @get
        -o --output = one(wide|name|yaml|json) @get
        -o --output = one(yaml|json) @version
        -o --output = one(wide|name) @api-resources
        --sort-by = one(cpu|memory) @top
        --sort-by = sortby @get
        -L --label-columns = columns @get
        --show-labels @get
        --show-kind @get
        --no-headers @get,top,api-resources
        --ignore-not-found @get
        --chunk-size = count(1-1000) @get
        --show-events =? one(true|false) @describe
        --containers @top
        --sum @top
        --client @version
        -c --container = name @logs
        --all-containers =? one(true|false) @logs
        -p --previous =? one(true|false) @logs
        --prefix @logs
        --timestamps =? one(true|false) @logs
        --tail = lines(5000) @logs
        --since = duration @logs
        --since-time = time @logs
        --max-log-requests = count(1-10) @logs
        --namespaced =? one(true|false) @api-resources
    "],
    verbs: "
        get : resource name*16 / slashed+8
        describe : resource name*8 / slashed+8
        logs|log : logged? name?
        top node|nodes|no : name?
        top pod|pods|po : name?
        version :
        api-resources :
    ",
    rules: "@logs add --tail=1000 unless --tail: no --tail was given: the last 1000 lines are shown",
    last: Some(whole),
    ..PROGRAM
}];

/// What is shown whole is one of a shorter list; `describe` of some kinds prints what they hold.
fn whole(draft: &mut Draft, policy: &DiagPolicy) -> Result<(), Refusal> {
    let refuse = |reason: &str, hint: &str| {
        Err(Refusal { rule: Rule::Operand, reason: reason.to_owned(), hint: hint.to_owned() })
    };
    let outputs = draft.options.iter().filter(|given| given.name == "--output").count();
    let output = draft.value("--output").unwrap_or_default();
    let is_whole = matches!(output, "yaml" | "json") && draft.verb_is("get");
    if outputs > 1 {
        return refuse("`kubectl` was given -o more than once", "give it once");
    }
    if draft.verb_is("get") || draft.verb_is("describe") {
        let kinds =
            draft.operands.iter().enumerate().filter(|(at, operand)| *at == 0 || operand.text.contains('/'));
        let mut kinds = kinds.flat_map(|(_, it)| it.text.split('/').next().unwrap_or_default().split(','));
        let listed = |kind: &str| WHOLE.split_ascii_whitespace().any(|it| it == kind);
        if is_whole && !kinds.clone().all(listed) {
            return refuse(
                "a kind that may hold secrets is not shown whole",
                "leave -o out: its table is shown",
            );
        }
        if draft.verb_is("describe") && !kinds.all(listed) {
            return refuse(
                "`describe` of this kind may print what it holds",
                "ask `kubectl get` for its table",
            );
        }
    }
    if draft.verb_is("logs") && draft.operands.is_empty() && !draft.has("--selector") {
        return refuse("`kubectl logs` lacks a pod", "name a pod, or select some with -l");
    }
    match output {
        "yaml" if is_whole => draft.shape = Shape::KubernetesYaml,
        "json" if is_whole => draft.shape = Shape::KubernetesJson,
        _ => {}
    }
    if let Some(file) = policy.kubeconfig.as_deref().and_then(std::path::Path::to_str) {
        draft.options.push(Given { name: "--kubeconfig", value: Some(file.to_owned()) });
    }
    Ok(())
}
