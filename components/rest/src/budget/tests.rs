//! Budgets, with a clock that only moves when everybody waits.

use futures_util::future::join_all;

use super::*;

fn rates(requests: Option<(u32, u32)>, concurrency: Option<u32>) -> Rates {
    let (requests, per_seconds) = requests.unzip();
    Rates::new(Some(&RateLimit { requests, per_seconds, concurrency, learn: true }))
}

/// When each of `count` requests that are made at once gets its turn, in seconds; what fails says how long to wait.
async fn turns(
    budget: &Budget,
    rates: &Rates,
    count: usize,
    until: Option<Instant>,
) -> Vec<Result<u64, u64>> {
    let begun = Instant::now();
    let one = || async {
        let turn = budget.turn(rates, until).await;
        turn.map(|_| begun.elapsed().as_secs()).map_err(|error| {
            assert_eq!((error.code(), error.is_retryable()), ("rate_limited", true));
            error.into_info().retry_after.unwrap()
        })
    };
    join_all((0..count).map(|_| one())).await
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_their_turn_or_are_told_to_come_later() {
    let (budget, rates) = (Budget::default(), rates(Some((2, 4)), None));
    let got = turns(&budget, &rates, 8, None).await;
    let expect = [Ok(0), Ok(0), Ok(4), Ok(4), Ok(8), Ok(8), Err(12), Err(12)];
    assert_eq!(got, expect);
    let got = turns(&budget, &rates, 1, Some(Instant::now() + Duration::from_secs(3))).await;
    assert_eq!(got, [Err(4)], "the time of the step would be over");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(turns(&budget, &rates, 2, None).await, [Ok(0), Ok(0)]);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_run_at_a_time() {
    let (budget, rates) = (Budget::default(), rates(None, Some(2)));
    let first = budget.turn(&rates, None).await.unwrap();
    let second = budget.turn(&rates, None).await.unwrap();
    assert_eq!(turns(&budget, &rates, 2, None).await, [Err(10), Err(10)]);
    drop(first);
    assert_eq!(turns(&budget, &rates, 3, None).await, [Ok(0), Ok(0), Ok(0)], "one after the other");
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn answers_close_an_instance_and_count_what_is_left() {
    let (budget, rates) = (Budget::default(), Rates::new(None));
    let seconds = Duration::from_secs;
    let turn = budget.turn(&rates, None).await.unwrap();
    turn.learn(Said { wait: Some(seconds(30)), left: None });
    drop(turn);
    assert_eq!(turns(&budget, &rates, 1, None).await, [Err(30)]);
    tokio::time::advance(seconds(25)).await;
    assert_eq!(turns(&budget, &rates, 1, None).await, [Ok(5)]);
    let turn = budget.turn(&rates, None).await.unwrap();
    turn.learn(Said { wait: None, left: Some((2, seconds(7))) });
    drop(turn);
    assert_eq!(turns(&budget, &rates, 3, None).await, [Ok(0), Ok(0), Ok(7)]);
    let turn = budget.turn(&rates, None).await.unwrap();
    turn.learn(Said { wait: Some(seconds(90_000)), left: None });
    assert_eq!(turns(&budget, &rates, 1, None).await, [Err(3600)], "an hour at most");
}

#[tokio::test(start_paused = true)]
async fn who_waits_already_hears_that_it_was_closed() {
    let (budget, rates) = (Budget::default(), rates(Some((1, 2)), None));
    let turn = budget.turn(&rates, None).await.unwrap();
    let waiting = turns(&budget, &rates, 1, None);
    let closing = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        turn.learn(Said { wait: Some(Duration::from_secs(60)), left: None });
    };
    let (waited, ()) = tokio::join!(waiting, closing);
    assert_eq!(waited, [Err(59)]);
}

#[tokio::test(start_paused = true)]
async fn what_answers_say_counts_only_where_the_file_lets_it() {
    let limit = RateLimit { learn: false, ..RateLimit::default() };
    let (budget, rates) = (Budget::default(), Rates::new(Some(&limit)));
    let turn = budget.turn(&rates, None).await.unwrap();
    turn.learn(Said { wait: Some(Duration::from_secs(60)), left: Some((0, Duration::from_secs(60))) });
    assert_eq!(turns(&budget, &rates, 1, None).await, [Ok(0)]);
}
