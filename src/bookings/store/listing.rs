//! Lists of bookings and of their histories, each cut out of the index that is sorted as the list is.

use crate::auth::WorkspaceScope;
use crate::bookings::history::Entry;
use crate::bookings::{Booking, Filter};
use crate::kernel::Page;
use skylight_db::{Db, Param, Read, Result, Value, args};

pub async fn page(db: &Db, scope: WorkspaceScope, filter: &Filter) -> Result<Vec<Booking>> {
    let page = filter.page;
    let mut sql = Text { values: vec![scope.value(), Value::Int(page.limit()), Value::Int(page.offset())] };
    let columns = super::BOOKING;
    let text = if filter.is_by_time() {
        let (key, id) = (sql.bind(Value::Int(page.before().key)), sql.bind(Value::Int(page.before().id)));
        let conditions = sql.conditions(filter, None);
        format!(
            "SELECT {columns} FROM booking WHERE workspace_id = $1 AND (starts_at, id) < ({key}, {id}){conditions}
             ORDER BY starts_at DESC, id DESC LIMIT $2 OFFSET $3"
        )
    } else {
        let before = sql.bind(Value::Int(page.before().id));
        let led = filter.led_by();
        let leading = led.map(|(column, value)| (column, sql.bind(value)));
        let mut row = vec![("workspace_id", "$1")];
        row.extend(leading.iter().map(|(column, name)| (*column, name.as_str())));
        let led_by = leading.as_ref().map_or_else(String::new, |(column, _)| format!("{column} DESC, "));
        row.push(("id", &before));
        let below = db.below(&row);
        let conditions = sql.conditions(filter, led.map(|(column, _)| column));
        format!(
            "SELECT {columns} FROM booking WHERE {below}{conditions}
             ORDER BY workspace_id DESC, {led_by}id DESC LIMIT $2 OFFSET $3"
        )
    };
    db.long().all(&text, &sql.values).await
}

pub async fn count(db: &Db, scope: WorkspaceScope, filter: &Filter) -> Result<i64> {
    let mut sql = Text { values: vec![scope.value()] };
    let conditions = sql.conditions(filter, None);
    let text = format!("SELECT COUNT(*) FROM booking WHERE workspace_id = $1{conditions}");
    db.long().one(&text, &sql.values).await
}

/// Pieces of fixed SQL, and the values they compare with. `$1` is the workspace.
struct Text<'a> {
    values: Vec<Value<'a>>,
}

impl<'a> Text<'a> {
    fn bind(&mut self, value: Value<'a>) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// What a filter says, apart from the column that leads the index.
    fn conditions(&mut self, filter: &'a Filter, but: Option<&str>) -> String {
        let mut text = String::new();
        for (column, value) in filter.equal().into_iter().filter(|(column, _)| Some(*column) != but) {
            let name = self.bind(value);
            text.push_str(&format!(" AND {column} = {name}"));
        }
        if let Some(from) = &filter.from {
            let name = self.bind(from.value());
            text.push_str(&format!(" AND starts_at >= {name}"));
        }
        if let Some(until) = &filter.until {
            let name = self.bind(until.value());
            text.push_str(&format!(" AND starts_at < {name}"));
        }
        text
    }
}

impl Filter {
    fn equal(&self) -> Vec<(&'static str, Value<'_>)> {
        let given = [
            ("contact_id", self.contact_id.as_ref().map(Param::value)),
            ("booking_type_id", self.booking_type_id.as_ref().map(Param::value)),
            ("status", self.status.as_ref().map(Param::value)),
            ("resource_id", self.resource_id.as_ref().map(Param::value)),
        ];
        given.into_iter().filter_map(|(column, value)| value.map(|value| (column, value))).collect()
    }

    /// What leads the index of a list that is sorted by id.
    fn led_by(&self) -> Option<(&'static str, Value<'_>)> {
        self.equal().into_iter().next()
    }
}

/// The newest first.
pub async fn history(db: &Db, scope: WorkspaceScope, booking: i64, page: Page) -> Result<Vec<Entry>> {
    let below = db.below(&[("workspace_id", "$1"), ("booking_id", "$2"), ("id", "$3")]);
    let sql = format!(
        "SELECT id, action, status, resource_id, starts_at, ends_at, reason, actor_kind, actor_id, actor_name, created_at
         FROM booking_history WHERE {below} ORDER BY workspace_id DESC, booking_id DESC, id DESC LIMIT $4 OFFSET $5"
    );
    db.all(&sql, args![scope, booking, page.before().id, page.limit(), page.offset()]).await
}

pub async fn count_history(db: &Db, scope: WorkspaceScope, booking: i64) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM booking_history WHERE workspace_id = $1 AND booking_id = $2";
    db.one(sql, args![scope, booking]).await
}
