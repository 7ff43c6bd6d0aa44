mod common;
use common::stream::Stream;
use novate_core::margin::*;
#[test]
fn dbg() {
    let mut s = Stream::new(5061);
    for n in 0..=956 {
        let b = s.venue.clone();
        let step = s.step();
        if n == 956 {
            for v in [&b, &s.venue] {
                let mut p = Portfolio::default();
                let e = evaluate(v.state(), v.index(2), &Question::at(Level::Initial), &mut p);
                println!("{e:?}\n exc {}\n{:#?}", e.excess(), p);
                println!("{:#?}", v.state().accounts[v.index(2) as usize]);
            }
            println!("{:?}", step.events.iter().map(|e| e.as_a::<novate_core::event::OrderFilled>()).collect::<Vec<_>>());
        }
    }
}
