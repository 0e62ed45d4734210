//! The laws of the plan: empty when all is as it should be, removals first, and nothing twice.

use chrono::DateTime;
use proptest::prelude::*;
use sluice_domain::{ExitInfo, Limits, Scope};
use sluice_ports::runtime::EffectiveLimits;

use super::*;
use crate::fixtures::demo;

fn spec(flow: u128) -> DeploymentSpec {
    let (demo, scope) = (demo(), Scope::Flow(sluice_domain::FlowId::from_bits(flow)));
    DeploymentSpec::new(&demo, demo.image().unwrap(), scope, Limits::default())
}

fn container(spec: &DeploymentSpec, start: u128, state: ContainerState) -> Container {
    Container {
        name: format!("sluice-test-{}-{start}", spec.id),
        deployment: spec.id,
        start: ContainerStartId::from_bits(start),
        state,
        created_at: DateTime::UNIX_EPOCH,
        limits: EffectiveLimits { memory_bytes: 1, nano_cpus: 1, pids: 1 },
    }
}

fn wanted(flows: impl IntoIterator<Item = u128>) -> Desired {
    let deployments = flows.into_iter().map(spec).map(|spec| (spec.id, spec)).collect();
    Desired { deployments, ..Desired::default() }
}

fn make(wanted: &Desired, observed: &Observed) -> Plan {
    plan(wanted, observed, &BTreeMap::new(), Instant::now())
}

#[tokio::test]
async fn a_container_that_ended_is_replaced_and_one_that_nobody_needs_may_finish() {
    let ended = ContainerState::Exited(ExitInfo { code: 137, out_of_memory: false });
    let containers = vec![container(&spec(1), 1, ended), container(&spec(2), 2, ContainerState::Running)];
    let starts = [1, 2].map(ContainerStartId::from_bits).into();
    let observed = Observed { containers, starts, ..Observed::default() };
    let plan = make(&wanted([1]), &observed);
    let removals: Vec<(bool, &str)> =
        plan.removals.iter().map(|removal| (removal.gracefully, removal.reason.as_str())).collect();
    assert_eq!(removals, vec![(false, "it ended with code 137"), (true, "no flow needs it")]);
    assert_eq!(plan.starts.len(), 1);
}

#[tokio::test]
async fn an_idle_deployment_has_no_container() {
    let containers = vec![container(&spec(1), 1, ContainerState::Running)];
    let starts = [ContainerStartId::from_bits(1)].into();
    let idle = [1, 2].map(|flow| spec(flow).id).into();
    let wanted = Desired { idle, ..wanted([1, 2]) };
    let plan = make(&wanted, &Observed { containers, starts, ..Observed::default() });
    let removals: Vec<(bool, &str)> =
        plan.removals.iter().map(|removal| (removal.gracefully, removal.reason.as_str())).collect();
    assert_eq!(removals, vec![(true, "nothing was to be done for a while")]);
    assert!(plan.starts.is_empty(), "{plan}");
}

#[tokio::test]
async fn a_container_that_hangs_or_whose_token_is_unknown_is_replaced() {
    let containers = vec![
        container(&spec(1), 1, ContainerState::Running),
        container(&spec(2), 2, ContainerState::Running),
    ];
    let starts = [ContainerStartId::from_bits(1)].into();
    let silent = [ContainerStartId::from_bits(1)].into();
    let plan = make(&wanted([1, 2]), &Observed { containers, starts, silent });
    assert_eq!((plan.removals.len(), plan.starts.len()), (2, 2));
    assert!(plan.to_string().contains("it hangs"), "{plan}");
}

#[tokio::test]
async fn a_container_makes_room_for_an_attached_process_and_comes_back_after_it() {
    let mut attached = wanted([1, 2]);
    attached.attached.insert(spec(1).id, None);
    let running = |flow| container(&spec(flow), flow, ContainerState::Running);
    let starts: BTreeSet<_> = [1, 2].map(ContainerStartId::from_bits).into();
    let both = Observed { containers: vec![running(1), running(2)], starts, ..Observed::default() };
    let plan = make(&attached, &both);
    assert_eq!((plan.removals.len(), plan.starts.len()), (1, 0), "{plan}");
    assert!(plan.removals[0].deployment == spec(1).id && plan.removals[0].gracefully);
    let other = Observed { containers: vec![running(2)], ..both };
    assert!(make(&attached, &other).is_empty());
    let plan = make(&wanted([1, 2]), &other);
    assert_eq!(plan.starts.iter().map(|start| start.spec.id).collect::<Vec<_>>(), [spec(1).id]);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_failed_waits_for_its_turn() {
    let mut state = DeploymentState::new(spec(1));
    let later = Instant::now() + std::time::Duration::from_secs(5);
    (state.failures, state.not_before) = (3, Some(later));
    let states = BTreeMap::from([(state.spec.id, state)]);
    assert!(plan(&wanted([1]), &Observed::default(), &states, Instant::now()).is_empty());
    assert_eq!(plan(&wanted([1]), &Observed::default(), &states, later).starts.len(), 1);
}

proptest! {
    #[test]
    fn applying_a_plan_reaches_what_is_wanted(
        needed in proptest::collection::btree_set(0..6u128, 0..6),
        there in proptest::collection::vec((0..6u128, 0..3u8), 0..10),
    ) {
        let wanted = wanted(needed.iter().copied());
        let mut observed = Observed::default();
        for (number, (flow, state)) in there.iter().enumerate() {
            let start = number as u128;
            let state = match state {
                0 => ContainerState::Running,
                1 => ContainerState::Transition,
                _ => ContainerState::Exited(ExitInfo { code: 1, out_of_memory: false }),
            };
            observed.containers.push(container(&spec(*flow), start, state));
            if number % 4 != 3 {
                observed.starts.insert(ContainerStartId::from_bits(start));
            }
        }
        let first = make(&wanted, &observed);
        observed.containers.retain(|container| !first.removals.iter().any(|removal| removal.name == container.name));
        for (number, start) in first.starts.iter().enumerate() {
            let id = 1000 + number as u128;
            observed.containers.push(container(&start.spec, id, ContainerState::Running));
            observed.starts.insert(ContainerStartId::from_bits(id));
        }
        let second = make(&wanted, &observed);
        prop_assert!(second.is_empty(), "{}", second);
        let serving: BTreeSet<_> = observed.containers.iter().map(|container| container.deployment).collect();
        prop_assert_eq!(serving, wanted.deployments.keys().copied().collect::<BTreeSet<_>>());
        prop_assert_eq!(observed.containers.len(), wanted.deployments.len());
    }
}
