//! What can be changed in a source file, and the file with all changes in it, each behind its number.

use std::ops::Range;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Arm, Attribute, BinOp, Expr, ExprBinary, ExprIf, ExprMethodCall, ExprUnary, ExprWhile, ImplItemFn, ItemFn, Stmt,
    UnOp,
};

/// Methods and what is called in place of each.
const METHODS: [(&str, &str); 18] = [
    ("min", "max"),
    ("max", "min"),
    ("min_by", "max_by"),
    ("max_by", "min_by"),
    ("min_by_key", "max_by_key"),
    ("max_by_key", "min_by_key"),
    ("first", "last"),
    ("last", "first"),
    ("any", "all"),
    ("all", "any"),
    ("is_some", "is_none"),
    ("is_none", "is_some"),
    ("is_some_and", "is_none_or"),
    ("is_none_or", "is_some_and"),
    ("saturating_add", "saturating_sub"),
    ("saturating_sub", "saturating_add"),
    ("saturating_mul", "saturating_add"),
    ("div_ceil", "saturating_mul"),
];

/// A place in a file, and what may stand there instead.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where, in bytes.
    pub range: Range<usize>,
    /// Line and column, from 1 on.
    pub place: (usize, usize),
    /// What may stand there.
    pub others: Vec<String>,
}

/// Finds the sites of a file, outermost first.
pub fn find(source: &str) -> Result<Vec<Site>, syn::Error> {
    let file = syn::parse_file(source)?;
    let mut finder = Finder { source, sites: Vec::new() };
    finder.visit_file(&file);
    let mut sites = finder.sites;
    sites.sort_by_key(|site| (site.range.start, usize::MAX - site.range.end));
    sites.dedup_by(|later, site| {
        let same = later.range == site.range;
        if same {
            site.others.append(&mut later.others);
        }
        same
    });
    Ok(sites)
}

/// A file with changes in it.
#[derive(Debug, Default)]
pub struct Switched {
    /// The file.
    pub text: String,
    /// Where which changes stand: each by itself, and all of a site with what stood there.
    pub placed: Vec<(Range<usize>, Vec<u32>)>,
}

/// The file with all sites switched: `number` is asked for the number of each change, and those without one are left out.
pub fn switched(source: &str, sites: &[Site], number: &mut dyn FnMut(&Site, &str) -> Option<u32>) -> Switched {
    let (mut out, mut rest) = (Switched::default(), sites);
    write(source, 0..source.len(), &mut rest, number, &mut out);
    out
}

/// Writes `range` of the source; the sites in it are taken off the front of `rest`.
fn write(
    source: &str,
    range: Range<usize>,
    rest: &mut &[Site],
    number: &mut dyn FnMut(&Site, &str) -> Option<u32>,
    out: &mut Switched,
) {
    let mut at = range.start;
    while let Some((site, others)) = rest.split_first().filter(|(site, _)| site.range.end <= range.end) {
        *rest = others;
        out.text.push_str(&source[at..site.range.start]);
        let (begun, mut numbers) = (out.text.len(), Vec::new());
        for other in &site.others {
            let Some(number) = number(site, other) else { continue };
            out.text.push_str(if numbers.is_empty() { "(" } else { "" });
            out.text.push_str(&format!("if crate::switched::on({number}) {{ "));
            out.placed.push((out.text.len()..out.text.len() + other.len(), vec![number]));
            out.text.push_str(&format!("{other} }} else "));
            numbers.push(number);
        }
        out.text.push_str(if numbers.is_empty() { "" } else { "{ " });
        write(source, site.range.clone(), rest, number, out);
        if !numbers.is_empty() {
            out.text.push_str(" })");
            out.placed.push((begun..out.text.len(), numbers));
        }
        at = site.range.end;
    }
    out.text.push_str(&source[at..range.end]);
}

struct Finder<'a> {
    source: &'a str,
    sites: Vec<Site>,
}

impl Finder<'_> {
    fn text(&self, span: Span) -> &str {
        &self.source[span.byte_range()]
    }

    fn add(&mut self, span: Span, other: String) {
        self.sites.push(Site {
            range: span.byte_range(),
            place: (span.start().line, span.start().column + 1),
            others: vec![other],
        });
    }

    /// A condition that may be any of these words instead, part by part if it binds names.
    fn condition(&mut self, condition: &Expr, words: &[&str]) {
        match condition {
            Expr::Let(bound) => self.visit_expr(&bound.expr),
            Expr::Binary(ExprBinary { left, op: BinOp::And(_), right, .. }) if binds(condition) => {
                self.condition(left, words);
                self.condition(right, words);
            }
            _ => {
                for word in words {
                    self.add(condition.span(), (*word).to_owned());
                }
                self.visit_expr(condition);
            }
        }
    }
}

/// Whether a condition binds names.
fn binds(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(ExprBinary { left, op: BinOp::And(_), right, .. }) => binds(left) || binds(right),
        _ => false,
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string().contains("test"),
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::NameValue(_) => false,
    })
}

/// The other operators that fit where `op` stands.
fn other_operators(op: &BinOp) -> &'static [&'static str] {
    match op {
        BinOp::Add(_) => &["-"],
        BinOp::Sub(_) => &["+"],
        BinOp::Mul(_) | BinOp::Rem(_) => &["/"],
        BinOp::Div(_) => &["*"],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        BinOp::Lt(_) => &["<="],
        BinOp::Le(_) => &["<"],
        BinOp::Gt(_) => &[">="],
        BinOp::Ge(_) => &[">"],
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::AddAssign(_) => &["-="],
        BinOp::SubAssign(_) => &["+="],
        BinOp::MulAssign(_) => &["/="],
        BinOp::DivAssign(_) => &["*="],
        BinOp::BitOrAssign(_) => &["&="],
        BinOp::BitAndAssign(_) => &["|="],
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            // Nothing of these runs.
            syn::Item::Const(_) | syn::Item::Static(_) | syn::Item::Enum(_) | syn::Item::Struct(_) => return,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if item.sig.constness.is_none() {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if item.sig.constness.is_none() && !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}

    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}

    fn visit_type(&mut self, _: &'ast syn::Type) {}

    fn visit_pat(&mut self, _: &'ast syn::Pat) {}

    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_expr_if(&mut self, expr: &'ast ExprIf) {
        self.condition(&expr.cond, &["true", "false"]);
        self.visit_block(&expr.then_branch);
        if let Some((_, other)) = &expr.else_branch {
            self.visit_expr(other);
        }
    }

    fn visit_expr_while(&mut self, expr: &'ast ExprWhile) {
        self.condition(&expr.cond, &["false"]);
        self.visit_block(&expr.body);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        if let Some((_, guard)) = &arm.guard {
            self.condition(guard, &["true", "false"]);
        }
        self.visit_expr(&arm.body);
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if let Stmt::Expr(expr @ (Expr::MethodCall(_) | Expr::Call(_) | Expr::Try(_)), Some(_)) = statement {
            self.add(expr.span(), "()".to_owned());
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_expr_binary(&mut self, expr: &'ast ExprBinary) {
        let (whole, op) = (expr.span(), expr.op.span().byte_range());
        for other in other_operators(&expr.op) {
            let range = whole.byte_range();
            let changed = [&self.source[range.start..op.start], *other, &self.source[op.end..range.end]].concat();
            self.add(whole, changed);
        }
        visit::visit_expr_binary(self, expr);
    }

    fn visit_expr_unary(&mut self, expr: &'ast ExprUnary) {
        if let UnOp::Not(_) = expr.op {
            let changed = self.text(expr.expr.span()).to_owned();
            self.add(expr.span(), changed);
        }
        visit::visit_expr_unary(self, expr);
    }

    fn visit_expr_method_call(&mut self, expr: &'ast ExprMethodCall) {
        let (whole, name) = (expr.span(), expr.method.span().byte_range());
        for (_, other) in METHODS.iter().filter(|(method, _)| expr.method == method) {
            let range = whole.byte_range();
            let changed = [&self.source[range.start..name.start], *other, &self.source[name.end..range.end]].concat();
            self.add(whole, changed);
        }
        visit::visit_expr_method_call(self, expr);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(source: &str) -> Vec<(String, String)> {
        let sites = find(source).unwrap();
        let was = |site: &Site| source[site.range.clone()].to_owned();
        sites.iter().flat_map(|site| site.others.iter().map(|other| (was(site), other.clone()))).collect()
    }

    #[test]
    fn operators_conditions_and_calls_are_changed_and_what_is_for_tests_or_constants_is_not() {
        let source = "const A: u32 = 1 + 2; fn f(a: u32, b: bool) -> u32 { if !b && a < 3 { a.min(7) } else { a } }
            const fn g() -> u32 { 1 + 2 } #[cfg(test)] mod tests { fn h() -> u32 { 1 + 2 } }";
        let expected = [
            ("!b && a < 3", "true"),
            ("!b && a < 3", "false"),
            ("!b && a < 3", "!b || a < 3"),
            ("!b", "b"),
            ("a < 3", "a <= 3"),
            ("a.min(7)", "a.max(7)"),
        ];
        assert_eq!(changed(source), expected.map(|(was, is)| (was.to_owned(), is.to_owned())));
    }

    #[test]
    fn what_is_done_for_its_effect_alone_is_left_out() {
        let found = changed("fn f(a: &mut Vec<u32>, mut b: u32) -> u32 { a.sort(); b = g(a)?; h(b)?; a.len() }");
        let all: Vec<_> = found.iter().map(|(was, is)| (was.as_str(), is.as_str())).collect();
        assert_eq!(all, [("a.sort()", "()"), ("h(b)?", "()")]);
    }

    #[test]
    fn of_a_condition_that_binds_names_the_other_parts_are_changed() {
        let changed = changed("fn f(a: Option<u32>) -> u32 { if let Some(a) = a && a > 3 { a } else { 0 } }");
        let all: Vec<_> = changed.iter().map(|(was, is)| (was.as_str(), is.as_str())).collect();
        assert_eq!(all, [("a > 3", "true"), ("a > 3", "false"), ("a > 3", "a >= 3")]);
    }

    #[test]
    fn every_change_stands_behind_its_number_and_what_has_none_is_left_out() {
        let source = "fn f(a: u32) -> u32 { a + a * a }";
        let mut next = 0;
        let mut number = |_: &Site, other: &str| {
            next += 1;
            (other != "a / a").then_some(next)
        };
        let switched = switched(source, &find(source).unwrap(), &mut number);
        assert_eq!(
            switched.text,
            "fn f(a: u32) -> u32 { (if crate::switched::on(1) { a - a * a } else { a + a * a }) }"
        );
    }
}
