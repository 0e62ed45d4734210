//! Walks over made-up pages.

use serde_json::{Value, json};
use url::Url;

use super::{End, Page, Pager, Turn};

/// What each page holds and says, and the queries that are asked for then.
struct Told {
    items: Vec<i64>,
    next: Option<&'static str>,
    link: Option<&'static str>,
    stop: bool,
}

fn told(items: impl IntoIterator<Item = i64>) -> Told {
    Told { items: items.into_iter().collect(), next: None, link: None, stop: false }
}

/// The URLs asked for, then how it ended.
fn walk(plan: Value, pages: Vec<Told>) -> (Vec<String>, String) {
    let url: Url = "http://a.test/list?q=1".parse().unwrap();
    let mut pager = Pager::new(serde_json::from_value(plan).unwrap(), &url, true);
    let mut at = pager.first();
    let mut asked = vec![short(&at)];
    for page in pages {
        let items: Vec<Value> = page.items.into_iter().map(Value::from).collect();
        let page = Page {
            items: &items,
            next: page.next,
            link: page.link,
            stop: page.stop,
            url: &at,
            asked: 0,
            onward: None,
        };
        match pager.turn(&page) {
            Ok(Turn::Next(url)) => {
                asked.push(short(&url));
                at = url;
            }
            Ok(Turn::End(End::Last)) => return (asked, "last".to_owned()),
            Ok(Turn::End(End::Limit)) => return (asked, "limit".to_owned()),
            Err(error) => return (asked, error.code().to_owned()),
        }
    }
    (asked, "open".to_owned())
}

fn short(url: &Url) -> String {
    url.as_str().trim_start_matches("http://a.test").to_owned()
}

fn check(plan: Value, pages: Vec<Told>, urls: &[&str], end: &str) {
    let (asked, ended) = walk(plan.clone(), pages);
    assert_eq!(
        (asked.iter().map(String::as_str).collect::<Vec<_>>(), ended.as_str()),
        (urls.to_vec(), end),
        "{plan}"
    );
}

#[test]
fn pages_and_offsets_count() {
    let plan = json!({ "type": "page", "param": "p", "size": 2, "size_param": "n" });
    let pages = vec![told([1, 2]), told([3, 4]), told([5])];
    check(plan, pages, &["/list?q=1&n=2&p=1", "/list?q=1&n=2&p=2", "/list?q=1&n=2&p=3"], "last");
    let plan = json!({ "type": "page", "param": "p", "start": 0 });
    check(plan, vec![told([1, 2]), told([])], &["/list?q=1&p=0", "/list?q=1&p=1"], "last");
    let plan = json!({ "type": "offset", "param": "o" });
    check(
        plan,
        vec![told([1, 2, 3]), told([4]), told([])],
        &["/list?q=1&o=0", "/list?q=1&o=3", "/list?q=1&o=4"],
        "last",
    );
}

#[test]
fn tokens_links_and_urls_lead_on() {
    let next = |items: i64, next| Told { next, ..told([items]) };
    let plan = json!({ "type": "cursor", "param": "c", "next": "$.response.body.next" });
    check(
        plan,
        vec![next(1, Some("a b")), next(2, Some("c")), next(3, None)],
        &["/list?q=1", "/list?q=1&c=a+b", "/list?q=1&c=c"],
        "last",
    );
    let link = |items: i64, link| Told { link, ..told([items]) };
    let pages = vec![
        link(1, Some("<?page=2>; rel=next")),
        link(2, Some("</other>; rel=next")),
        link(3, Some("<x>; rel=prev")),
    ];
    check(json!({ "type": "link" }), pages, &["/list?q=1", "/list?page=2", "/other"], "last");
    let plan = json!({ "type": "next_url", "next": "$.response.body.next" });
    check(
        plan,
        vec![next(1, Some("/list/2")), next(2, Some("http://b.test/3")), next(3, None)],
        &["/list?q=1", "/list/2", "http://b.test/3"],
        "last",
    );
}

#[test]
fn it_ends_at_rules_and_limits() {
    let plan = json!({ "type": "page", "param": "p", "max_pages": 2 });
    check(plan, vec![told([1]), told([2])], &["/list?q=1&p=1", "/list?q=1&p=2"], "limit");
    let plan = json!({ "type": "page", "param": "p", "max_items": 2 });
    check(plan, vec![told([1, 2, 3])], &["/list?q=1&p=1"], "limit");
    let plan = json!({ "type": "page", "param": "p", "stop": "= true" });
    check(plan, vec![Told { stop: true, ..told([1]) }], &["/list?q=1&p=1"], "last");
}

#[test]
fn circles_are_noticed() {
    let plan = json!({ "type": "page", "param": "p" });
    check(plan, vec![told([1, 2]), told([1, 2])], &["/list?q=1&p=1", "/list?q=1&p=2"], "pagination_loop");
    let plan = json!({ "type": "cursor", "param": "c", "next": "= 1" });
    let tokens = ["a", "b", "c", "a", "b", "c", "a", "b", "c", "a", "b"];
    let pages = tokens.iter().enumerate().map(|(n, token)| Told { next: Some(token), ..told([n as i64]) });
    let (asked, end) = walk(plan, pages.collect());
    assert_eq!((end.as_str(), asked.len() < 10), ("pagination_loop", true));
}
