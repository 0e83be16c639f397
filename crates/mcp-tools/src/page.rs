//! A page of rows on its way out, as tab-separated text or as data.

use std::collections::HashMap;
use std::fmt::Write as _;

use mcp_identity::DatabaseName;
use mcp_protocol::{Gone, ToolFailure, ToolOutput, ToolResult};
use mcp_query::{
    Changed, Column, Limits, QueryFault, Row, Rows, Stop, push_header, push_json_row,
    push_json_text, push_row, type_name,
};
use serde::Deserialize;

use crate::told::failure_within;

/// How rows are written.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Tsv,
    Json,
}

/// The types that were made in a database, by their ids.
pub(crate) type TypeNames = HashMap<u32, String>;

/// Writes a page as its rows come, and counts what it wrote. Holds one row at a time.
pub(crate) struct PageWriter<'t> {
    format: Format,
    limit: u64,
    limits: Limits,
    output: &'t mut ToolOutput,
    /// What is on its way: the header or the opening with the first row, then one row.
    line: String,
    columns: Columns,
    rows: u64,
    bytes: u64,
    cut: Option<Cut>,
}

/// Where the columns of a JSON page are.
enum Columns {
    /// Not known yet.
    Awaited,
    /// Written, in front of the rows.
    Written,
    /// To be written behind the rows: PostgreSQL has to be asked for the names of their types,
    /// and the connection is busy with the rows.
    Behind(Vec<Column>),
}

/// Why a page ends before the rows do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// As many rows as were asked for.
    Rows,
    /// As much text as one call may return.
    Bytes,
}

impl<'t> PageWriter<'t> {
    pub(crate) fn new(
        format: Format,
        limit: u64,
        limits: Limits,
        output: &'t mut ToolOutput,
    ) -> Self {
        Self {
            format,
            limit,
            limits,
            output,
            line: String::new(),
            columns: Columns::Awaited,
            rows: 0,
            bytes: 0,
            cut: None,
        }
    }

    /// The ids of types whose names have to be asked for before the page is closed.
    pub(crate) fn unnamed_types(&self) -> Vec<u32> {
        match &self.columns {
            Columns::Behind(columns) => {
                let unnamed = columns.iter().filter(|column| type_name(column.type_oid).is_none());
                unnamed.map(|column| column.type_oid).collect()
            }
            Columns::Awaited | Columns::Written => Vec::new(),
        }
    }

    /// Writes what stands behind the rows: the line that counts them.
    pub(crate) async fn close(
        mut self,
        database: &DatabaseName,
        offset: u64,
        types: &TypeNames,
    ) -> Result<ToolResult, ToolFailure> {
        // Where not even one row fits, the next page would be the same.
        let next = self.cut.filter(|_| self.rows > 0).map(|_| offset + self.rows);
        match self.format {
            Format::Tsv => self.flush().await?,
            Format::Json => self.close_data(next, types).await?,
        }
        self.output.write(&self.summary(database, next)).await?;
        Ok(ToolResult::default())
    }

    /// Ends the rows that a change returned, and says what it did.
    pub(crate) async fn close_change(
        mut self,
        database: &DatabaseName,
        changed: &Changed,
        types: &TypeNames,
    ) -> Result<ToolResult, ToolFailure> {
        let (command, rows) = (changed.command, changed.rows);
        match self.format {
            Format::Tsv => {
                // The header of no columns: nothing was to be returned.
                if self.line == "\n" {
                    self.line.clear();
                }
            }
            Format::Json => {
                self.line.push(']');
                self.push_columns_behind(types);
                let count = rows.map_or("null".into(), |rows| rows.to_string());
                let (shown, cut) = (self.rows, self.cut.is_some());
                let _ = write!(
                    self.line,
                    r#","row_count":{shown},"truncated":{cut},"next_offset":null,"command":"{command}","changed_rows":{count}}}"#
                );
            }
        }
        self.flush().await?;
        let did = rows.map_or("done".into(), |rows| format!("{rows} {} changed", plural(rows)));
        let shown = match self.cut {
            None => String::new(),
            Some(_) => format!("; of the rows that it returned, the first {} came", self.rows),
        };
        self.output.write(&format!("-- {command}: {did} in database {database}{shown}")).await?;
        Ok(ToolResult::default())
    }

    /// Ends a page whose rows broke off. What was written stays, and is said not to be all.
    pub(crate) async fn fail(mut self, fault: &QueryFault) -> ToolFailure {
        if self.format == Format::Json
            && !matches!(self.columns, Columns::Awaited)
            && let Err(Gone) = self.close_broken_data().await
        {
            return ToolFailure::Gone;
        }
        match failure_within(fault, &self.limits) {
            ToolFailure::Told(mut told) if self.rows > 0 => {
                let (rows, plural) = (self.rows, plural(self.rows));
                let left = match fault {
                    QueryFault::Undone(_) => "; nothing was changed",
                    // Said with the error: nobody knows.
                    QueryFault::Unsure => "",
                    _ => "; there are more",
                };
                let _ = write!(told, "\n-- {rows} {plural} came before the error{left}");
                ToolFailure::Told(told)
            }
            failure => failure,
        }
    }

    /// What came, and how to go on.
    fn summary(&self, database: &DatabaseName, next: Option<u64>) -> String {
        let (rows, plural, most) = (self.rows, plural(self.rows), self.limits.max_result_bytes);
        let more = match (self.cut, next) {
            (Some(Cut::Rows), Some(next)) => format!("; more: offset={next}"),
            (Some(Cut::Bytes), Some(next)) => format!(
                "; cut at {most} bytes, the most that one call returns; more: offset={next}"
            ),
            (Some(Cut::Bytes), None) => format!(
                "; the first row is larger than the {most} bytes that one call returns: select \
                 fewer columns or shorten them"
            ),
            (None, _) | (Some(Cut::Rows), None) => String::new(),
        };
        format!("-- {rows} {plural} of database {database}{more}")
    }

    async fn close_data(&mut self, next: Option<u64>, types: &TypeNames) -> Result<(), Gone> {
        let (rows, truncated) = (self.rows, self.cut.is_some());
        let next = next.map_or("null".into(), |next| next.to_string());
        self.line.push(']');
        self.push_columns_behind(types);
        let _ = write!(
            self.line,
            r#","row_count":{rows},"truncated":{truncated},"next_offset":{next}}}"#
        );
        self.flush().await
    }

    async fn close_broken_data(&mut self) -> Result<(), Gone> {
        self.line.push(']');
        self.push_columns_behind(&TypeNames::new());
        let rows = self.rows;
        let _ = write!(self.line, r#","row_count":{rows},"truncated":true,"next_offset":null}}"#);
        self.flush().await
    }

    fn push_columns_behind(&mut self, types: &TypeNames) {
        if let Columns::Behind(columns) = &self.columns {
            self.line.push(',');
            push_columns(&mut self.line, columns, types);
        }
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        let written = match self.format {
            Format::Tsv => self.output.write(&self.line).await,
            Format::Json => self.output.write_structured(&self.line).await,
        };
        self.line.clear();
        written
    }

    fn push(&mut self, row: &Row<'_>) {
        match self.format {
            Format::Tsv => push_row(&mut self.line, row),
            Format::Json => {
                if self.rows > 0 {
                    self.line.push(',');
                }
                push_json_row(&mut self.line, row);
            }
        }
    }
}

impl Rows for PageWriter<'_> {
    async fn columns(&mut self, columns: &[Column]) -> Result<(), Stop> {
        let is_named = |column: &Column| type_name(column.type_oid).is_some();
        match self.format {
            // Goes out with the first row, or at the end: an error has no header.
            Format::Tsv => push_header(&mut self.line, columns),
            Format::Json => {
                self.line.push('{');
                if columns.iter().all(is_named) {
                    push_columns(&mut self.line, columns, &TypeNames::new());
                    self.line.push(',');
                    self.columns = Columns::Written;
                } else {
                    self.columns = Columns::Behind(columns.to_vec());
                }
                self.line.push_str("\"rows\":[");
            }
        }
        self.bytes += self.line.len() as u64;
        Ok(())
    }

    async fn row(&mut self, row: &Row<'_>) -> Result<(), Stop> {
        if self.cut.is_some() {
            return Ok(());
        }
        if self.rows == self.limit {
            self.cut = Some(Cut::Rows);
            return Ok(());
        }
        let most = self.limits.max_result_bytes;
        // Written out it only grows: what is too large as it came need not be written to know it.
        let came = row.byte_len();
        if self.bytes + came as u64 > most {
            self.cut = Some(Cut::Bytes);
            return Ok(());
        }
        let before = self.line.len();
        self.push(row);
        let size = (self.line.len() - before) as u64;
        if self.bytes + size > most {
            self.line.truncate(before);
            self.cut = Some(Cut::Bytes);
            return Ok(());
        }
        self.bytes += size;
        self.rows += 1;
        self.flush().await.map_err(|Gone| Stop)
    }
}

fn plural(rows: u64) -> &'static str {
    if rows == 1 { "row" } else { "rows" }
}

fn push_columns(line: &mut String, columns: &[Column], types: &TypeNames) {
    line.push_str("\"columns\":[");
    for (place, column) in columns.iter().enumerate() {
        line.push_str(if place > 0 { ",{\"name\":" } else { "{\"name\":" });
        push_json_text(line, &column.name);
        line.push_str(",\"type\":");
        let made = types.get(&column.type_oid).map(String::as_str);
        match type_name(column.type_oid).or(made) {
            Some(name) => push_json_text(line, name),
            // Dropped in between, or never looked up: `pg_type` may still explain it.
            None => push_json_text(line, &column.type_oid.to_string()),
        }
        line.push('}');
    }
    line.push(']');
}
