//! The simple way to ask: a text with any number of statements, each answered in text.

use crate::{
    connection::{Broken, Connection},
    encode::Row,
    out::Formats,
    problem::{Problem, Severity},
    run::{Came, Parameters, Statement, cut},
};

impl Connection {
    /// Carries out a text up to the first statement that is refused.
    pub(crate) async fn simple(&mut self, text: &str) -> Result<(), Broken> {
        match self.all(text).await {
            Err(Broken::Problem(problem)) if problem.severity == Severity::Error => self.failed(&problem),
            all => all?,
        }
        self.io.out.ready(self.transaction);
        Ok(())
    }

    async fn all(&mut self, text: &str) -> Result<(), Broken> {
        let fragments = cut(text)?;
        if fragments.is_empty() {
            self.io.out.empty(b'I');
        }
        for fragment in fragments {
            let statement = Statement::read(fragment, text, Parameters::Refused)?;
            self.stop.begin(self.settings.statement_timeout());
            let came = self.run(&statement, Vec::new()).await?;
            self.shown(came).await?;
        }
        Ok(())
    }

    async fn shown(&mut self, came: Came) -> Result<(), Broken> {
        match came {
            Came::Done { tag, notice } => self.done(&tag, notice.as_deref()),
            Came::Rows { answer, room, tag } => {
                let formats = Formats::default();
                let row = Row::new(answer.columns(), &formats);
                self.io.out.columns(answer.columns(), &formats);
                self.rows(&answer, &row, 0, usize::MAX).await?;
                self.io.out.complete(&tag.text(answer.row_count()));
                drop(room);
            }
        }
        Ok(())
    }

    /// Tells that a statement is done, and what was done.
    pub(crate) fn done(&mut self, tag: &str, notice: Option<&str>) {
        if let Some(notice) = notice.filter(|_| self.settings.wants_notices()) {
            self.io.out.notice(notice);
        }
        self.io.out.complete(tag);
    }
}

/// What several statements are in the place of one.
pub(crate) fn several() -> Problem {
    Problem::new("42601", "a prepared statement is one statement").with_hint("prepare each for itself")
}
