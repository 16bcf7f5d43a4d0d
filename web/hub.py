"""Página inicial: how the tenant's integrations are, each figure a link to what it counts."""

from fastapi import APIRouter, Request, Response

from web.access import Visiting
from web.pages import page

router = APIRouter()


@router.get("/")
async def hub(request: Request, person: Visiting) -> Response:
    return page(request, "hub.html")
