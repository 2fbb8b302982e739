"""Names of people: changed, joined, forgotten."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from album.models import Album, ItemPerson, MediaItem, Person
from album.services.editing import EditRefused
from album.services.grants import revoke_albums

NAME_MAX_LENGTH = 120


def rename_person(*, person: Person, name: str) -> Person:
    """The person who has that name now: another one, if its owner knew one so named, and both are one from then on.

    Raises:
        EditRefused: the name is empty or too long.
    """
    name = " ".join(name.replace("\0", "").split())
    if not name or len(name) > NAME_MAX_LENGTH:
        raise EditRefused(_("A name has 1 to %d characters.") % NAME_MAX_LENGTH)
    with transaction.atomic():
        same = Person.objects.filter(owner=person.owner_id, name__iexact=name).exclude(pk=person.pk).first()
        if same is not None:
            merge_people(person=person, into=same)
            return same
        Person.objects.filter(pk=person.pk).update(name=name)
        _rename_in_rules(person, name)
    person.name = name
    return person


def merge_people(*, person: Person, into: Person) -> None:
    """Every item with ``person`` is one with ``into``; ``person`` is gone.

    Raises:
        EditRefused: they are the same, or known to different owners.
    """
    if person.pk == into.pk or person.owner_id != into.owner_id:
        raise EditRefused(_("Choose another person of the same library."))
    with transaction.atomic():
        named, known = ItemPerson.objects.filter(person=person), ItemPerson.objects.filter(person=into)
        removed = known.filter(source=ItemPerson.Source.REMOVED)
        # Said of either, it holds for both.
        seen = named.exclude(source=ItemPerson.Source.REMOVED)
        removed.filter(item__in=seen.values("item")).delete()
        named.exclude(item__in=known.values("item")).update(person=into)
        if into.cover_id is None and person.cover_id is not None:
            Person.objects.filter(pk=into.pk).update(cover=person.cover_id)
        _rename_in_rules(person, into.name)
        person.delete()


def _rename_in_rules(person: Person, name: str) -> None:
    """Automatic albums of ``person`` stay those of the same person under another name."""
    for album in Album.objects.select_for_update().filter(owner=person.owner_id, rule__has_key="people"):
        rule = album.rule or {}
        people = dict.fromkeys(name if one.casefold() == person.name.casefold() else one for one in rule["people"])
        if list(people) != rule["people"]:
            Album.objects.filter(pk=album.pk).update(rule=rule | {"people": list(people)})
            revoke_albums([album.pk])


def choose_face(*, person: Person, item: MediaItem) -> None:
    """Shows ``item`` for the person. Raises EditRefused where the person is not in it."""
    if not ItemPerson.objects.filter(person=person, item=item).exclude(source=ItemPerson.Source.REMOVED).exists():
        raise EditRefused(_("%s is not in this picture.") % person.name)
    Person.objects.filter(pk=person.pk).update(cover=item)


def forget_person(*, person: Person) -> None:
    """Takes the name away; the pictures stay. What files state brings it back when they are read anew."""
    person.delete()
