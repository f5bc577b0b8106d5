//! The edits by which schemas evolve, good and bad ones.

use crate::{
    draw::Draw,
    model::{EnumModel, FieldModel, FileModel, GROUPS, Kind, Label, MessageModel},
};

/// Applies one random edit.
pub(crate) fn edit(file: &mut FileModel, draw: &Draw) {
    match draw.below(14) {
        0 => file.messages.push(MessageModel::empty(&format!("A{}", draw.below(1_000_000)))),
        1 if file.messages.len() > 1 => {
            let place = draw.below(file.messages.len());
            file.messages.remove(place);
        }
        2 => file.messages.reverse(),
        3 if draw.once_in(4) => file.package = Some("shop.other".to_owned()),
        4 => edit_enum(&mut file.enums[0], draw),
        5 => {
            let place = draw.below(file.imported.len());
            let (names, imported) = (Vec::new(), file.imported_names());
            edit_message(&mut file.imported[place], draw, &names, &imported, file.is_proto3);
        }
        _ => {
            let (names, imported) = (file.type_names(), file.imported_names());
            let place = draw.below(file.messages.len());
            let mut message = &mut file.messages[place];
            while !message.nested.is_empty() && draw.once_in(2) {
                message = &mut message.nested[0];
            }
            match message.enums.first_mut().filter(|_| draw.once_in(8)) {
                Some(declared) => edit_enum(declared, draw),
                None => edit_message(message, draw, &names, &imported, file.is_proto3),
            }
        }
    }
    file.mend();
}

fn edit_enum(declared: &mut EnumModel, draw: &Draw) {
    let place = draw.below(declared.values.len());
    match draw.below(3) {
        0 => {
            let number = 10 + i32::try_from(draw.below(1_000_000)).unwrap();
            declared.values.push((format!("{}_V{number}", declared.name), number));
        }
        1 if place > 0 => drop(declared.values.remove(place)),
        _ => declared.values[place].0.push_str("_RENAMED"),
    }
}

fn edit_message(message: &mut MessageModel, draw: &Draw, names: &[String], imported: &[String], is_proto3: bool) {
    let choice = draw.below(14);
    if message.fields.is_empty() || choice < 2 {
        let field = FieldModel::draw(draw, message, names, imported, is_proto3);
        message.fields.push(field);
        return;
    }
    let place = draw.below(message.fields.len());
    let number = message.free_number(draw);
    let field = &mut message.fields[place];
    match choice {
        2 => drop(message.fields.remove(place)),
        3 => field.name.push_str("_renamed"),
        4 | 5 => {
            // A scalar of the same group, as likely as not the map's value.
            let kind = match &mut field.kind {
                Kind::Map(_, value) => &mut **value,
                kind => kind,
            };
            let Kind::Scalar(name) = kind else { return };
            if let Some(group) = GROUPS.iter().find(|group| group.contains(name)) {
                *kind = Kind::Scalar(draw.of::<&str>(group));
            }
        }
        6 => {
            field.kind = Kind::draw(draw, names, imported, is_proto3, field.oneof.is_some());
            if matches!(field.kind, Kind::Map(..)) {
                field.label = Label::None;
            }
        }
        7 if field.oneof.is_none() && !matches!(field.kind, Kind::Map(..)) => {
            field.label = *draw.of(match is_proto3 {
                true => &[Label::None, Label::Optional, Label::Repeated],
                false => &[Label::Required, Label::Optional, Label::Repeated],
            });
        }
        8 if field.label != Label::Repeated && !matches!(field.kind, Kind::Map(..)) => {
            field.oneof = Some(format!("choice_{}", draw.below(3)));
            field.label = Label::None;
        }
        9 => {
            field.oneof = None;
            field.label = if is_proto3 || matches!(field.kind, Kind::Map(..)) { Label::None } else { Label::Optional };
        }
        10 => {
            field.number = number;
            field.name = format!("moved_{number}");
        }
        11 => rename_or_drop_oneof(message, draw),
        12 => {
            let may_move =
                |field: &&mut FieldModel| field.label != Label::Repeated && !matches!(field.kind, Kind::Map(..));
            for field in message.fields.iter_mut().filter(may_move).take(2) {
                field.oneof = Some("choice_9".to_owned());
                field.label = Label::None;
            }
        }
        _ => message.fields.reverse(),
    }
}

fn rename_or_drop_oneof(message: &mut MessageModel, draw: &Draw) {
    let oneofs = message.oneofs();
    if oneofs.is_empty() {
        return;
    }
    let oneof = Some(draw.of(&oneofs).clone());
    if draw.once_in(2) {
        message.fields.retain(|field| field.oneof != oneof);
    } else {
        let renamed = Some(format!("choice_{}", draw.below(4)));
        message
            .fields
            .iter_mut()
            .filter(|field| field.oneof == oneof)
            .for_each(|field| field.oneof.clone_from(&renamed));
    }
}
